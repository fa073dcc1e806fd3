package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"memvip/configs"
)

// link is a network interface as it is now.
type link struct {
	configs.Link
	up       bool // for the administrator
	carrier  bool // and it can send
	loopback bool
}

// hostLinks lists the interfaces of this process's network namespace. Anybody may ask for them.
func hostLinks() ([]link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []link
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.Name, err)
		}
		l := link{
			Link: configs.Link{Name: i.Name}, up: i.Flags&net.FlagUp != 0, carrier: i.Flags&net.FlagRunning != 0,
			loopback: i.Flags&net.FlagLoopback != 0,
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.Prefixes = append(l.Prefixes, p)
			}
		}
		list = append(list, l)
	}
	return list, nil
}

// interfaces looks where each VIP would go, and what is there already.
func (h *host) interfaces() []Finding {
	if h.linksErr != nil {
		return []Finding{unseen(CheckInterface, "interfaces", "this host's interfaces", h.linksErr, "ip -br address")}
	}
	list := []Finding{h.ownAddress()}
	for _, v := range h.vips {
		list = append(list, h.place(v))
	}
	return append(list, h.squatters()...)
}

func (h *host) ownAddress() Finding {
	self := h.self.Addr
	if name, err := h.config.OwnLink(h.self, h.plainLinks()); err == nil {
		return fine(CheckOwnAddress, self.String(), "%s, the address of %s, is on %s", self, h.self.Name, name)
	}
	return Finding{
		Check: CheckOwnAddress, Severity: Failure, Subject: self.String(),
		What: fmt.Sprintf("%s, the address of %s, is on no interface of this host", self, h.self.Name),
		Why:  "an agent does not start, since it could not be heard", Mend: "ip -br address; is this host another node? memvip-agent --node NAME",
	}
}

// linkOf returns the interface that a VIP goes to.
func (h *host) linkOf(v configs.VIP) (link, error) {
	name, err := h.config.LinkFor(v, h.plainLinks())
	if err != nil {
		return link{}, err
	}
	i := slices.IndexFunc(h.links, func(l link) bool { return l.Name == name })
	return h.links[i], nil // LinkFor names none but those it was given
}

// plainLinks is how the package configs wants the links.
func (h *host) plainLinks() []configs.Link {
	plain := make([]configs.Link, len(h.links))
	for i, l := range h.links {
		plain[i] = l.Link
	}
	return plain
}

func (h *host) place(v configs.VIP) Finding {
	ip := v.Prefix.Addr()
	l, err := h.linkOf(v)
	bad := func(what, why, mend string) Finding {
		return Finding{Check: CheckInterface, Severity: Failure, Subject: ip.String(), What: what, Why: why, Mend: mend}
	}
	if fault, ok := errors.AsType[*configs.Error](err); ok {
		return bad(fmt.Sprintf("%s; expected %s", fault.Found, fault.Expected), "an agent does not start here", "ip -br address; then the vip's interface = \"NAME\" in the configuration")
	}
	name := l.Name
	switch {
	case l.loopback:
		return bad(fmt.Sprintf("%s would go on %s, the loopback", ip, name), "no client can reach it there", "name another interface for the vip in the configuration")
	case !l.up:
		return bad(fmt.Sprintf("%s, the interface of %s, is down", name, ip), "this node may not take the address", "ip link set dev "+name+" up")
	case !l.carrier:
		return bad(fmt.Sprintf("%s, the interface of %s, has no carrier", name, ip), "this node may not take the address", "ip -d link show dev "+name+"; cable, switch port, bond")
	case ip.Is6() && h.sysctl("ipv6", "conf", name, "disable_ipv6") == 1:
		return bad(fmt.Sprintf("%s, the interface of %s, has IPv6 switched off", name, ip), "the kernel refuses the address", "sysctl -w "+sysctlName("ipv6", "conf", name, "disable_ipv6")+"=0")
	}
	return fine(CheckInterface, ip.String(), "%s goes on %s, which is up", ip, name)
}

// squatters finds VIPs that are here by other hands.
func (h *host) squatters() []Finding {
	var ips []netip.Addr
	for _, v := range h.config.VIPs {
		ips = append(ips, v.Prefix.Addr())
	}
	there, err := h.strangers(ips)
	if err != nil {
		return []Finding{unseen(CheckStranger, "interfaces", "which VIPs are on this host", err, "ip -br address")}
	}
	if len(there) == 0 {
		return []Finding{fine(CheckStranger, "interfaces", "no VIP is on this host by other hands than memvip's")}
	}
	var list []Finding
	for _, a := range there {
		list = append(list, Finding{
			Check: CheckStranger, Severity: Failure, Subject: a.Prefix.Addr().String(), What: fmt.Sprintf("%s, not put there by memvip", a),
			Why:  "this host answers for it whoever holds it, and as a rule cannot take it: memvip touches no address that it did not add",
			Mend: fmt.Sprintf("ip address del %s dev %s, and out of the network configuration: grep -rlF %s /etc/network /etc/netplan /etc/systemd/network /etc/NetworkManager /etc/keepalived", a.Prefix, a.Link, a.Prefix.Addr()),
		})
	}
	return list
}
