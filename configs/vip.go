package configs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// readVIPs reads every [[vip]]; cluster and memcached are read already.
func readVIPs(root *table, c Cluster, m Memcached) []VIP {
	tables := root.sections("vip")
	if _, isArray := array(root.values["vip"]); len(tables) == 0 && (isArray || !root.has("vip")) {
		root.bad("vip", "no service address", "[[vip]] with address and home, once for each")
	}
	if len(tables) > sizeMax {
		root.bad("vip", fmt.Sprintf("%d service addresses", len(tables)), fmt.Sprintf("at most %d; larger sites are several clusters", sizeMax))
	}
	r := vipReader{
		cluster:   c,
		memcached: m,
		lines:     make(map[netip.Addr]int),
	}
	if len(c.Voters) > 0 {
		r.members = slices.Concat(c.Voters, c.Nodes)
	}
	for _, t := range tables {
		r.vips = append(r.vips, r.read(t))
		t.done()
	}
	r.checkInstances(root, tables)
	return r.vips
}

// A vipReader knows what the VIPs of a file refer to, and those read so far.
type vipReader struct {
	cluster   Cluster
	memcached Memcached
	members   []Member // none if the file has no voters
	vips      []VIP
	lines     map[netip.Addr]int // where an address was given first
}

func (r *vipReader) read(t *table) VIP {
	v := VIP{
		Prefix:        r.readAddress(t),
		Interface:     readInterface(t),
		Candidates:    r.readCandidates(t),
		Failback:      readFailback(t),
		FailbackDelay: t.duration("failback_delay", failbackDelaySetting),
		line:          t.line("address"),
		interfaceLine: t.line("interface"),
	}
	v.Instance, v.RestartCommand = r.readInstance(t)
	if home, ok := r.readHome(t); ok {
		v.Home = home
		r.checkHomeIsCandidate(t, v)
	}
	return v
}

func (r *vipReader) readAddress(t *table) netip.Prefix {
	const expected = `an address that clients use, such as "10.0.0.101"`
	s, ok := t.text("address", expected)
	t.require("address", expected)
	if !ok {
		return netip.Prefix{}
	}
	p, err := parsePrefix(s)
	if err != nil {
		t.bad("address", quote(s)+noAddress(s), expected)
		return netip.Prefix{}
	}
	if fault := unfitVIP(p); fault != "" {
		t.bad("address", quote(s)+" is "+fault, expected)
		return netip.Prefix{}
	}
	if least := prefixBitsMin(p.Addr()); p.Bits() < least {
		t.bad("address", fmt.Sprintf("%q has a prefix of %d bits", s, p.Bits()), fmt.Sprintf("%d to %d bits, or no prefix at all", least, p.Addr().BitLen()))
		return netip.Prefix{}
	}
	r.checkAddressIsFree(t, p.Addr())
	return p
}

func (r *vipReader) checkAddressIsFree(t *table, a netip.Addr) {
	for _, m := range r.members {
		if m.Addr == a {
			t.bad("address", a.String()+" is the address of node "+m.Name, "an address that belongs to no host")
			return
		}
	}
	if first, taken := r.lines[a]; taken {
		t.bad("address", fmt.Sprintf("%s is the address of the vip on line %d already", a, first), "each address once")
		return
	}
	r.lines[a] = t.line("address")
}

func (r *vipReader) readHome(t *table) (string, bool) {
	const expected = "the name of the node that the address belongs to"
	home, ok := t.text("home", expected)
	t.require("home", expected)
	return home, ok && r.checkServingNode(t, "home", t.line("home"), home)
}

// checkServingNode returns whether a node of that name can hold an address. It reports a name that is no node's, or a witness's. In a file without voters, which is
// reported already, every name passes.
func (r *vipReader) checkServingNode(t *table, key string, line int, name string) bool {
	var serving []Member
	fault := " is neither voter nor node"
	for _, m := range r.members {
		switch {
		case m.Name == name && m.Witness:
			fault = " is a witness, which has no memcached"
		case m.Name == name:
			return true
		case !m.Witness:
			serving = append(serving, m)
		}
	}
	if len(r.members) == 0 {
		return true
	}
	sortMembers(serving)
	t.badAt(line, key, quote(name)+fault, oneOf(slices.Compact(names(serving))))
	return false
}

func (r *vipReader) readCandidates(t *table) []string {
	const expected = `names of nodes, such as ["cache1", "cache2"], or no such key for all of them`
	list, ok := t.list("candidates", expected)
	if !ok {
		return nil
	}
	if len(list) == 0 {
		t.bad("candidates", "an empty array", expected)
	}
	var candidates []string
	for i, name := range list {
		line := t.at.key("candidates").item(i).line
		if slices.Contains(candidates, name) {
			t.badAt(line, "candidates", quote(name)+" stands here twice", "each name once")
			continue
		}
		if r.checkServingNode(t, "candidates", line, name) {
			candidates = append(candidates, name)
		}
	}
	slices.Sort(candidates)
	return candidates
}

func (r *vipReader) checkHomeIsCandidate(t *table, v VIP) {
	list, _ := array(t.values["candidates"])
	switch {
	case len(v.Candidates) == 0 || len(v.Candidates) != len(list):
		// All nodes, or the list itself is wrong and reported.
	case !v.Allows(v.Home):
		t.bad("candidates", "without the home "+quote(v.Home), "the home to be among them")
	case len(v.Candidates) == 1:
		t.warn("candidates", "only %s may hold this address, so nobody takes over", v.Home)
	}
}

func readInterface(t *table) string {
	const expected = `the name of a network interface, such as "eth0"`
	name, ok := t.text("interface", expected)
	if ok && (name == "" || name == "." || name == ".." || len(name) > interfaceBytesMax || strings.ContainsAny(name, "/: \t\r\n\x00")) {
		t.bad("interface", quote(name)+" is no interface name", expected)
	}
	return name
}

func readFailback(t *table) Failback {
	const expected = `"auto", "manual" or "never"`
	s, ok := t.text("failback", expected)
	if !ok {
		return failbackDefault
	}
	switch f := Failback(s); f {
	case FailbackAuto, FailbackManual, FailbackNever:
		return f
	default:
		t.bad("failback", quote(s)+" is no way home", expected)
		return failbackDefault
	}
}

// readInstance settles who serves the VIP. A VIP with an instance of its own does not inherit the restart
// command, which would restart another memcached than the one to be proved.
func (r *vipReader) readInstance(t *table) (netip.AddrPort, []string) {
	instance, ok := t.addrPort("instance")
	restart := t.argv("restart_command", exampleRestart)
	if !t.has("instance") {
		instance, ok = r.memcached.Address, true
	}
	if ok && instance == r.memcached.Address && !t.has("restart_command") {
		restart = r.memcached.RestartCommand
	}
	return instance, restart
}
