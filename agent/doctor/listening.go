package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"memvip/flush"
)

// listening judges where the process takes connections.
func (h *host) listening(in instance, at []netip.AddrPort) []Finding {
	var list []Finding
	var bound []netip.Addr // VIPs that it listens on by themselves
	for _, ip := range in.vips {
		l, ok := flush.ListenerFor(ip, at)
		switch {
		case !ok:
			list = append(list, h.deaf(in, ip, at))
		case !l.Addr().IsUnspecified():
			bound = append(bound, ip)
			fallthrough
		default:
			list = append(list, fine(CheckListens, ip.String(), "memcached %s takes connections to %s on port %d", in.address, ip, l.Port()))
		}
	}
	return append(list, h.bindable(in, bound), h.direct(in, at))
}

func (h *host) deaf(in instance, ip netip.Addr, at []netip.AddrPort) Finding {
	return Finding{
		Check: CheckListens, Severity: Failure, Subject: ip.String(),
		What: fmt.Sprintf("memcached %s does not listen on %s, only on %s", in.address, ip, listeners(at)),
		Why:  "where this node holds the address, its clients are refused, or another process serves them that nobody flushes",
		Mend: h.listenOption(in) + "; " + setNonlocalBind(in.vips),
	}
}

// bindable wants that a memcached which listens on VIPs by themselves can start while they are elsewhere.
func (h *host) bindable(in instance, bound []netip.Addr) Finding {
	if len(bound) == 0 {
		return fine(CheckNonlocalBind, in.subject(), "memcached %s needs no ip_nonlocal_bind as it is now", in.address)
	}
	if h.nonlocalBind(bound) {
		return fine(CheckNonlocalBind, in.subject(), "memcached %s can start while its VIPs are elsewhere", in.address)
	}
	return Finding{
		Check: CheckNonlocalBind, Severity: Failure, Subject: in.subject(),
		What: fmt.Sprintf("memcached %s listens on %s, and ip_nonlocal_bind is 0", in.address, addresses(bound)),
		Why:  "the next time it starts without the address it ends at once, and serves none of the others either",
		Mend: setNonlocalBind(bound),
	}
}

// nonlocalBind reports whether a process may listen on such addresses while they are elsewhere.
func (h *host) nonlocalBind(ips []netip.Addr) bool {
	return !slices.ContainsFunc(ips, func(ip netip.Addr) bool { return h.sysctl(family(ip), "ip_nonlocal_bind") == 0 })
}

func setNonlocalBind(ips []netip.Addr) string {
	var settings []string
	for _, ip := range ips {
		if s := sysctlName(family(ip), "ip_nonlocal_bind") + "=1"; !slices.Contains(settings, s) {
			settings = append(settings, s)
		}
	}
	return "sysctl -w " + strings.Join(settings, " ") + ", and the same in /etc/sysctl.d"
}

func family(ip netip.Addr) string {
	if ip.Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// direct warns of a way past the VIPs (F18).
func (h *host) direct(in instance, at []netip.AddrPort) Finding {
	var open []netip.AddrPort
	for _, l := range at {
		if !l.Addr().IsLoopback() && !h.isVIP(l.Addr()) {
			open = append(open, l)
		}
	}
	if len(open) == 0 {
		return fine(CheckDirect, in.subject(), "memcached %s listens on loopback and VIPs only", in.address)
	}
	return Finding{
		Check: CheckDirect, Severity: Warning, Subject: in.subject(), What: fmt.Sprintf("memcached %s listens on %s", in.address, listeners(open)),
		Why:  "what clients write on the host's own address is outside the promise that no read is stale, and keeps the agent from proving a flush",
		Mend: h.listenOption(in) + "; " + setNonlocalBind(in.vips),
	}
}

func (h *host) isVIP(ip netip.Addr) bool {
	for _, v := range h.config.VIPs {
		if v.Prefix.Addr() == ip {
			return true
		}
	}
	return false
}

func listeners(at []netip.AddrPort) string {
	var list []string
	for _, l := range at {
		text := l.String()
		if l.Addr().IsUnspecified() {
			text = "all addresses (" + text + ")"
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	if len(list) == 0 {
		return "no TCP address"
	}
	return words(list)
}

// clientPort is where clients look for a memcached unless they are told otherwise.
const clientPort = 11211

// listenOption is the option that a memcached should have. One with an address of its own for each VIP serves clients
// on their port, and the agent on another.
func (h *host) listenOption(in instance) string {
	own, port := in.address.Addr().String(), ""
	if in.address != h.config.Memcached.Address {
		own, port = in.address.String(), fmt.Sprintf(":%d", clientPort)
	}
	list := []string{own}
	for _, ip := range in.vips {
		text := ip.String()
		if port != "" && ip.Is6() {
			text = "[" + text + "]"
		}
		list = append(list, text+port)
	}
	return "memcached -l " + strings.Join(list, ",") + " (Debian: /etc/memcached.conf)"
}
