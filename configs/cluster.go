package configs

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

const (
	exampleMembers  = `{ cache1 = "10.0.0.11", ... }`
	exampleNodeAddr = `the address of one host in quotes, such as "10.0.0.11"`
)

// readCluster reads [cluster], except for what the key file holds.
func readCluster(root *table) Cluster {
	t := root.section("cluster")
	if t.values == nil {
		root.require("cluster", "[cluster] with name, voters and key_file")
		return Cluster{}
	}
	var c Cluster
	c.Name = readClusterName(t)
	c.Voters = readMembers(t, "voters")
	for i := range c.Voters {
		c.Voters[i].Voter = true
	}
	readWitnesses(t, c.Voters)
	c.Nodes = readMembers(t, "nodes")
	c.VotersOff = readVotersOff(t)
	c.KeyFile = readKeyFile(t)
	c.Port = t.integer("port", portSetting)
	c.Lease = t.duration("lease", leaseSetting)
	c.Drift = t.number("clock_drift", clockDriftSetting)
	c.Fence = readFence(t)
	checkVoterCount(t, c.Voters)
	checkMembersApart(t, c)
	checkSize(t, c)
	checkNodeNetwork(t, c)
	t.done()
	return c
}

func readClusterName(t *table) string {
	const expected = `a name of letters, digits and "-_.", such as "cache-prod"`
	name, ok := t.text("name", expected)
	t.require("name", expected)
	if ok && !validName(name) {
		t.bad("name", quote(name)+" is no name", expected)
	}
	return name
}

func readFence(t *table) Fence {
	const expected = `"auto", "nftables", "lifetime" or "off"`
	s, ok := t.text("fence", expected)
	if !ok {
		return fenceDefault
	}
	switch f := Fence(s); f {
	case FenceOff:
		t.warn("fence", "%q: while an agent is frozen or dead, its host goes on answering beside the next holder", f)
		return f
	case FenceAuto, FenceNftables, FenceLifetime:
		return f
	default:
		t.bad("fence", quote(s)+" is no fence", expected)
		return fenceDefault
	}
}

func readKeyFile(t *table) string {
	const expected = `the path of the gossip key, such as "/etc/memvip/keys/gossip.key"; agentctl keygen makes one`
	path, ok := t.text("key_file", expected)
	t.require("key_file", expected)
	if ok && (path == "" || strings.ContainsRune(path, 0)) {
		t.bad("key_file", quote(path)+" is no path", expected)
		return ""
	}
	return path
}

// readMembers reads a table of names and addresses. A member whose address will not do is kept without one,
// so that its name is still known to those who refer to it.
func readMembers(t *table, key string) []Member {
	v, ok := t.take(key)
	if !ok {
		return nil
	}
	values, ok := v.(map[string]any)
	if !ok {
		t.bad(key, kind(v), "names and addresses, such as "+exampleMembers)
		return nil
	}
	entries := &table{problems: t.problems, name: t.path(key), values: values, at: t.at.key(key)}
	var members []Member
	for _, name := range slices.Sorted(maps.Keys(values)) {
		members = append(members, Member{Name: name, Addr: readMemberAddr(entries, name)})
	}
	return members
}

func readMemberAddr(t *table, name string) netip.Addr {
	if !validName(name) {
		t.bad(name, quote(name)+" is no node name", `at most 64 letters, digits and "-_."`)
	}
	expected := exampleNodeAddr
	if _, nested := t.values[name].(map[string]any); nested {
		expected = `an address; a name with dots stands in quotes, as in "a.example.com" = "10.0.0.11"`
	}
	s, ok := t.text(name, expected)
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		t.bad(name, quote(s)+noAddress(s), expected)
		return netip.Addr{}
	}
	if fault := unfit(a); fault != "" {
		t.bad(name, quote(s)+" is "+fault, expected)
		return netip.Addr{}
	}
	return a
}

// readWitnesses marks the voters that have no memcached.
func readWitnesses(t *table, voters []Member) {
	witnesses, ok := t.list("witnesses", `names of voters, such as ["w1"]`)
	if !ok || len(voters) == 0 { // without voters, which is reported elsewhere, every name passes
		return
	}
	at := t.at.key("witnesses")
	for i, name := range witnesses {
		v := slices.IndexFunc(voters, func(m Member) bool { return m.Name == name })
		switch {
		case v < 0:
			t.badAt(at.item(i).line, "witnesses", quote(name)+" is no voter", oneOf(names(voters)))
		case voters[v].Witness:
			t.badAt(at.item(i).line, "witnesses", quote(name)+" stands here twice", "each name once")
		default:
			voters[v].Witness = true
		}
	}
}

// readVotersOff reads the names that a change of the voter list does not wait for. They may have left the
// list with this very change, so any node name will do.
func readVotersOff(t *table) []string {
	off, ok := t.list("voters_off", `names of voters that are switched off, such as ["cache3"]`)
	if !ok || len(off) == 0 {
		return nil
	}
	at := t.at.key("voters_off")
	for i, name := range off {
		if !validName(name) {
			t.badAt(at.item(i).line, "voters_off", quote(name)+" is no node name", `at most 64 letters, digits and "-_."`)
		}
	}
	return slices.Sorted(slices.Values(off))
}

func checkVoterCount(t *table, voters []Member) {
	t.require("voters", "three or more names and addresses, such as "+exampleMembers)
	_, isTable := t.values["voters"].(map[string]any)
	n := len(voters)
	switch {
	case isTable && n < votersMin:
		t.bad("voters", count(n, "voter"), fmt.Sprintf(
			"at least %d; where only two hosts run memcached, add a witness: a third host as voter, named in witnesses too", votersMin))
	case n > 0 && n%2 == 0:
		t.warn("voters", "%d voters stand the loss of %d, no more than %d voters would", n, (n-1)/2, n-1)
	}
}

// checkMembersApart reports names and addresses that two members share.
func checkMembersApart(t *table, c Cluster) {
	byName := make(map[string]bool)
	byAddr := make(map[netip.Addr]string)
	check := func(key string, members []Member) {
		entries := &table{problems: t.problems, name: t.path(key), at: t.at.key(key)}
		for _, m := range members {
			if byName[m.Name] {
				entries.bad(m.Name, quote(m.Name)+" is a voter already", "each name once, in voters or in nodes")
				continue
			}
			byName[m.Name] = true
			if other, taken := byAddr[m.Addr]; taken && m.Addr.IsValid() {
				entries.bad(m.Name, m.Addr.String()+" is the address of "+other+" already", "an address for each node")
			}
			byAddr[m.Addr] = m.Name
		}
	}
	check("voters", c.Voters)
	check("nodes", c.Nodes)
}

// sizeMax bounds nodes and VIPs: what one node says of all VIPs has to fit into a packet (gossip encodes no list of more
// than 256), and each is tried in clusters far smaller than that.
const sizeMax = 250

// checkSize reports a cluster whose nodes could not tell each other of one another.
func checkSize(t *table, c Cluster) {
	if n := len(c.Voters) + len(c.Nodes); n > sizeMax {
		t.bad("nodes", fmt.Sprintf("%d voters and nodes", n), fmt.Sprintf("at most %d; larger sites are several clusters", sizeMax))
	}
}

// checkNodeNetwork looks at all the addresses together: can these nodes reach each other at all?
func checkNodeNetwork(t *table, c Cluster) {
	var loopback, elsewhere, v4, v6 int
	for _, m := range slices.Concat(c.Voters, c.Nodes) {
		switch a := m.Addr; {
		case !a.IsValid():
			return
		case a.IsLoopback():
			loopback++
		default:
			elsewhere++
		}
		if m.Addr.Is4() {
			v4++
		} else {
			v6++
		}
	}
	switch {
	case loopback > 0 && elsewhere > 0:
		t.bad("voters", "a loopback address among others", "addresses at which the nodes reach each other")
	case loopback > 0:
		t.warn("voters", "every node has a loopback address, so this cluster cannot leave its host")
	}
	if v4 > 0 && v6 > 0 {
		t.bad("voters", count(v4, "IPv4 address")+" and "+count(v6, "IPv6 address"), "addresses of one family: a node speaks from one address with all others")
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// validName reports whether a name can be a node's or a cluster's: what a host name has, and the underscore.
func validName(name string) bool {
	if name == "" || len(name) > nameBytesMax || strings.ContainsAny(name[:1], "-_.") {
		return false
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("-_.", r):
		default:
			return false
		}
	}
	return true
}
