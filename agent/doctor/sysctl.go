package doctor

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"memvip/configs"
)

// sysctlUnread is a setting that this kernel does not have or show.
const sysctlUnread = -1

// sysctl reads a number below /proc/sys/net; sysctlUnread if there is none.
func (h *host) sysctl(parts ...string) int {
	text, err := fs.ReadFile(h.proc, path.Join("sys/net", path.Join(parts...)))
	if err != nil {
		return sysctlUnread
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return sysctlUnread
	}
	return n
}

// sysctlName is how the command sysctl calls it. An interface whose name has a dot, such as a VLAN's, is written with a
// slash there.
func sysctlName(parts ...string) string {
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(p, ".", "/")
	}
	return "net." + strings.Join(parts, ".")
}

// inForce is the value that holds for an interface where the kernel takes the greater of its own and that of all.
func (h *host) inForce(name, setting string) int {
	return max(h.sysctl("ipv4", "conf", "all", setting), h.sysctl("ipv4", "conf", name, setting))
}

// sysctls looks at how the kernel answers for IPv4 VIPs and whom it lets in; for IPv6 it has no such settings. Interfaces that
// could not be listed, and VIPs that fit none, are reported by then.
func (h *host) sysctls() []Finding {
	if h.linksErr != nil {
		return nil
	}
	var list []Finding
	for _, g := range h.linkGroups() {
		list = append(list, h.arpIgnore(g), h.arpAnnounce(g), h.reversePath(g))
	}
	return list
}

// linkGroup is the IPv4 VIPs of one interface.
type linkGroup struct {
	link  link
	vips  []netip.Addr
	twins []string // other interfaces that are up with a subnet that one of the VIPs is in
	apart []netip.Addr
}

func (h *host) linkGroups() []linkGroup {
	var groups []linkGroup
	for _, v := range h.vips {
		l, err := h.linkOf(v)
		if err != nil || !v.Prefix.Addr().Is4() {
			continue
		}
		i := slices.IndexFunc(groups, func(g linkGroup) bool { return g.link.Name == l.Name })
		if i < 0 {
			i = len(groups)
			groups = append(groups, linkGroup{link: l})
		}
		h.join(&groups[i], v)
	}
	return groups
}

func (h *host) join(g *linkGroup, v configs.VIP) {
	ip := v.Prefix.Addr()
	g.vips = append(g.vips, ip)
	if !neighbours(g.link, ip) {
		g.apart = append(g.apart, ip)
	}
	for _, other := range h.links {
		if other.Name != g.link.Name && other.up && neighbours(other, ip) && !slices.Contains(g.twins, other.Name) {
			g.twins = append(g.twins, other.Name)
		}
	}
}

// neighbours reports whether the link has a subnet that the address is in.
func neighbours(l link, ip netip.Addr) bool {
	return slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool {
		return p.Addr() != ip && !p.IsSingleIP() && p.Contains(ip)
	})
}

// The values of arp_ignore that matter here.
const (
	arpIgnoreOthers = 1 // answer only on the interface that has the address
	arpIgnoreApart  = 2 // and only askers of its subnet
	arpIgnoreAll    = 8 // answer never
)

// arpIgnore: seen on 6.18, another card on the same wire answers for the VIP with its own MAC, every time, unless its
// arp_ignore is 1; 2 silences the VIP on a link without a subnet around it, 8 silences it everywhere.
func (h *host) arpIgnore(g linkGroup) Finding {
	name := g.link.Name
	f := Finding{Check: CheckARPIgnore, Severity: Failure, Subject: name, Why: "no client finds the address"}
	own := h.inForce(name, "arp_ignore")
	switch {
	case own == sysctlUnread:
		return Finding{
			Check: CheckARPIgnore, Severity: Unknown, Subject: name, What: "arp_ignore of " + name + " could not be read",
			Why: "this host may answer for its addresses wrongly", Mend: "sysctl " + sysctlName("ipv4", "conf", name, "arp_ignore"),
		}
	case own >= arpIgnoreAll:
		f.What = fmt.Sprintf("arp_ignore is %d: this host answers nobody who asks for %s on %s", own, addresses(g.vips), name)
		f.Mend = h.setBoth(name, "arp_ignore", arpIgnoreOthers)
		return f
	case own == arpIgnoreApart && len(g.apart) > 0:
		f.What = fmt.Sprintf("arp_ignore is 2, and %s has no subnet around %s: this host answers nobody who asks for it", name, addresses(g.apart))
		f.Mend = h.setBoth(name, "arp_ignore", arpIgnoreOthers)
		return f
	}
	loose := slices.DeleteFunc(slices.Clone(g.twins), func(twin string) bool { return h.inForce(twin, "arp_ignore") >= arpIgnoreOthers })
	if len(loose) == 0 {
		return fine(CheckARPIgnore, name, "nobody but %s answers for %s on this host", name, addresses(g.vips))
	}
	f.Severity = Warning
	f.What = fmt.Sprintf("%s and %s have one subnet, and %s answers for %s as well (arp_ignore is 0)", name, words(loose), words(loose), addresses(g.vips))
	f.Why = "clients learn another MAC than the one that is announced, and lose the address when that card fails, which no agent notices"
	f.Mend = "sysctl -w " + sysctlName("ipv4", "conf", "all", "arp_ignore") + "=1, and the same in /etc/sysctl.d"
	return f
}

// arpAnnounce: with 0 another card asks in the VIP's name, with its own MAC, and whoever hears learns that.
func (h *host) arpAnnounce(g linkGroup) Finding {
	name := g.link.Name
	loose := slices.DeleteFunc(slices.Clone(g.twins), func(twin string) bool { return h.inForce(twin, "arp_announce") >= 2 })
	if len(loose) == 0 {
		return fine(CheckARPAnnounce, name, "nobody but %s asks in the name of %s on this host", name, addresses(g.vips))
	}
	return Finding{
		Check: CheckARPAnnounce, Severity: Warning, Subject: name,
		What: fmt.Sprintf("%s and %s have one subnet, and %s may ask for a client in the name of %s (arp_announce is below 2)", name, words(loose), words(loose), addresses(g.vips)),
		Why:  "the client then sends to the wrong card, until it hears the next announcement",
		Mend: "sysctl -w " + sysctlName("ipv4", "conf", "all", "arp_announce") + "=2, and the same in /etc/sysctl.d",
	}
}

const reversePathStrict = 1

// reversePath: strict filtering drops packets of clients whom this host would answer by another interface.
func (h *host) reversePath(g linkGroup) Finding {
	name := g.link.Name
	if h.inForce(name, "rp_filter") != reversePathStrict {
		return fine(CheckReversePath, name, "%s lets clients in whatever the way back to them", name)
	}
	f := Finding{
		Check: CheckReversePath, Severity: Warning, Subject: name, Mend: h.setBoth(name, "rp_filter", 2),
		Why: "the kernel drops those clients' packets without a word",
	}
	ways, err := h.defaultRoutes()
	switch {
	case len(g.twins) > 0:
		f.What = fmt.Sprintf("rp_filter of %s is strict, and %s has the same subnet: the way back to a client may be there", name, words(g.twins))
		return f
	case err != nil:
		return unseen(CheckReversePath, name, "the default route", err, "ip route show default")
	case len(ways) > 0 && !slices.Contains(ways, name):
		f.What = fmt.Sprintf("rp_filter of %s is strict, and the default route leaves by %s: clients of other subnets do not reach %s", name, words(ways), addresses(g.vips))
		return f
	}
	return fine(CheckReversePath, name, "rp_filter of %s is strict, and the way back to clients is %s", name, name)
}

// setBoth sets what is in force: the greater of two settings, so both where that of all is too great.
func (h *host) setBoth(name, setting string, value int) string {
	own := fmt.Sprintf("sysctl -w %s=%d", sysctlName("ipv4", "conf", name, setting), value)
	if h.sysctl("ipv4", "conf", "all", setting) > value {
		own += fmt.Sprintf(" %s=%d", sysctlName("ipv4", "conf", "all", setting), value)
	}
	return own + ", and the same in /etc/sysctl.d"
}

// defaultRoutes lists the interfaces of the IPv4 default routes.
func (h *host) defaultRoutes() ([]string, error) {
	table, err := fs.ReadFile(h.proc, "self/net/route")
	if err != nil {
		return nil, err
	}
	var ways []string
	for line := range strings.Lines(string(table)) {
		// Interface, destination, gateway, flags, references, use, metric, mask.
		f := strings.Fields(line)
		const none = "00000000"
		if len(f) > 7 && f[1] == none && f[7] == none && f[0] != "*" && !slices.Contains(ways, f[0]) {
			ways = append(ways, f[0])
		}
	}
	return ways, nil
}
