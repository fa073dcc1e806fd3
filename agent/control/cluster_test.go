package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"memvip/agent/core"
)

// cluster is a status and its facts that a test's directives change, beginning with a cluster in which
// all is well: three hosts with one memcached and one VIP each, seen from cache1.
type cluster struct {
	status core.Status
	facts  Facts
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const instanceAddress = "127.0.0.1:11211"

func newCluster() *cluster {
	c := &cluster{
		status: core.Status{Node: "cache1", Quorate: true, Counted: map[string]int{"lease_lost": 2}},
		facts: Facts{
			Now: noon, Started: noon.Add(-26 * time.Hour), Build: "0.1.0", Cluster: "cache-prod",
			ConfigPath: "/etc/memvip/agent.toml", ConfigDigest: "5eed", KeyPath: "/etc/memvip/gossip.key", Port: 7946, Lease: 600 * time.Millisecond,
			Settings: Settings{Lease: 600 * time.Millisecond, Drift: 0.01, Interval: 100 * time.Millisecond, Deadline: 150 * time.Millisecond, Fall: 3},
			Detector: "process connector", Counters: map[string]int{"sent": 7},
			Sealed: map[string]SealedFacts{}, Reach: map[string]Reach{}, Clients: map[core.Name]int{"10.0.0.102": 12},
		},
	}
	for i := 1; i <= 3; i++ {
		name, vip := fmt.Sprintf("cache%d", i), core.Name(fmt.Sprintf("10.0.0.10%d", i))
		ago := 20 * time.Millisecond * time.Duration(i-1)
		c.status.Voters = append(c.status.Voters, core.VoterStatus{Name: name, Heard: true, Ago: ago, RTT: 300 * time.Microsecond})
		c.status.Nodes = append(c.status.Nodes, core.NodeStatus{Name: name, Voter: true, Heard: true, Ago: ago, State: core.NodeState{
			Node: name, Build: "0.1.0", Quorate: true, Detector: "process connector", Fence: "nftables", List: core.ListID{Digest: 0xbeef},
			Instances: []core.InstanceState{{Address: instanceAddress, Known: true, Up: true, PID: 40 + i}},
		}})
		c.status.VIPs = append(c.status.VIPs, core.VIPStatus{Name: vip, Home: name, Holder: name, Holding: true, HeldFor: 3 * time.Hour, Epoch: 4})
		c.facts.VIPs = append(c.facts.VIPs, VIPFacts{Name: vip, Prefix: netip.PrefixFrom(netip.MustParseAddr(string(vip)), 32), Interface: "eth0", Instance: instanceAddress, Eligible: 3, Unit: "memcached"})
		c.facts.Members = append(c.facts.Members, Member{Name: name, Address: fmt.Sprintf("10.0.0.1%d", i), Alive: true})
	}
	for i := range c.status.Nodes {
		for _, v := range c.status.VIPs {
			p := core.VIPState{Name: v.Name, Clean: v.Home != c.status.Nodes[i].Name}
			if !p.Clean {
				p.Role = core.Holding
			}
			c.status.Nodes[i].State.VIPs = append(c.status.Nodes[i].State.VIPs, p)
		}
	}
	c.facts.Addresses = []AddressFacts{{Name: "10.0.0.101", Prefix: netip.MustParsePrefix("10.0.0.101/32"), Interface: "eth0", Since: noon.Add(-3 * time.Hour)}}
	return c
}

// report builds the report, with each home's own word where the machine would have it.
func (c *cluster) report() Report {
	for i, v := range c.status.VIPs {
		c.status.VIPs[i].HomeState, _ = part(*c.node(v.Home), v.Name)
	}
	return Build(c.status, c.facts)
}

func (c *cluster) node(name string) *core.NodeStatus {
	i := slices.IndexFunc(c.status.Nodes, func(n core.NodeStatus) bool { return n.Name == name })
	if i < 0 {
		panic("no node " + name)
	}
	return &c.status.Nodes[i]
}

func (c *cluster) voter(name string) *core.VoterStatus {
	i := slices.IndexFunc(c.status.Voters, func(v core.VoterStatus) bool { return v.Name == name })
	if i < 0 {
		panic("no voter " + name)
	}
	return &c.status.Voters[i]
}

func (c *cluster) vip(name string) *core.VIPStatus {
	i := slices.IndexFunc(c.status.VIPs, func(v core.VIPStatus) bool { return string(v.Name) == name })
	if i < 0 {
		panic("no vip " + name)
	}
	return &c.status.VIPs[i]
}

func (c *cluster) part(node, vip string) *core.VIPState {
	n := c.node(node)
	i := slices.IndexFunc(n.State.VIPs, func(v core.VIPState) bool { return string(v.Name) == vip })
	if i < 0 {
		panic("no part of " + node + " in " + vip)
	}
	return &n.State.VIPs[i]
}

// apply carries a directive out. A text after ": " is free.
//
//	self NODE                     the reporting node
//	quorate NODE true|false
//	voter NAME ago=D silent=D refused=CODE other=ADDRESS | never
//	node NAME ago=D claimed=D build=B draining stopping witness novote list=N detector=slow fence=F | never
//	disk NAME: TEXT
//	instance NODE up|down|unknown conns=N: REASON
//	flush NODE STAGE: TROUBLE
//	vip ADDRESS holder=NODE|nobody held=D taking failback=F
//	part NODE ADDRESS role=R standing=S clean|tainted|warm coming=H refused=R wait=D losses=N conflict=MAC of=NODE seen=D
//	address ADDRESS up|gone
//	hears NODE NODE|NODE=D...     the view of the first, which hears the others from themselves, or did so long ago
//	sees NODE ADDRESS holder=NODE asked mac=MAC   the view of the first, which hears from the voters who has the address
//	command ADDRESS: ARGV         its restart_command, the last word of which is the unit; none: neither is known
//	reach NODE answers|nothing    by ARP
//	lives NODE ADDRESS
//	eligible ADDRESS N            how many nodes may hold it
//	sealed NODE packets=N ago=D   with another key
//	refused NODE reload|upgrade: WHY   a minute ago
//	forget ADDRESS                a VIP that is not configured
//	file TEXT                     what is wrong with the configuration file now; "differs": nothing but that it is another
//	unconfigured NODE             with the VIPs of which it was the home, though it still has a vote
//	voters TO waits=NODE,NODE     a change of the list under way; voters refused: WHY, one that is not taken
func (c *cluster) apply(t *testing.T, line string) {
	t.Helper()
	head, text, _ := strings.Cut(line, ": ")
	words := strings.Fields(head)
	d := directive{t: t, words: words[min(len(words), 2):], text: text}
	switch words[0] {
	case "self":
		c.status.Node = words[1]
		c.node(words[1]).Ago = 0
		c.facts.Addresses = nil
	case "quorate":
		c.node(words[1]).State.Quorate = d.has("true")
		if words[1] == c.status.Node {
			c.status.Quorate = d.has("true")
		}
	case "voter":
		c.applyVoter(d, words[1])
	case "node":
		c.applyNode(d, words[1])
	case "file":
		c.facts.OnDisk = OnDisk{Differs: d.has("differs") || words[1] == "differs", Fault: text}
	case "unconfigured":
		c.status.Nodes = slices.DeleteFunc(c.status.Nodes, func(n core.NodeStatus) bool { return n.Name == words[1] })
		c.status.VIPs = slices.DeleteFunc(c.status.VIPs, func(v core.VIPStatus) bool { return v.Home == words[1] })
	case "voters":
		c.status.Change = &core.VoterChange{Refused: text}
		if text == "" {
			c.status.Change.To = strings.Split(words[1], ",")
			for _, v := range c.status.Voters {
				c.status.Change.From = append(c.status.Change.From, v.Name)
			}
			if waits := d.value("waits", ""); waits != "" {
				c.status.Change.WaitsFor = strings.Split(waits, ",")
			}
		}
	case "disk":
		c.node(words[1]).State.DiskError = text
	case "instance":
		in := &c.node(words[1]).State.Instances[0]
		in.Known, in.Up, in.Reason, in.Conns = !d.has("unknown"), d.has("up"), text, int(d.number("conns"))
	case "flush":
		in := &c.node(words[1]).State.Instances[0]
		in.Stage, in.Trouble = enum[core.FlushStage](t, words[2]), text
	case "vip":
		c.applyVIP(d, words[1])
	case "part":
		c.applyPart(d, words[1], words[2])
	case "address":
		c.applyAddress(d, words[1])
	case "hears":
		v := View{Node: words[1], Claimed: map[string]time.Duration{}}
		for _, name := range d.words {
			name, _, _ := strings.Cut(name, "=")
			v.Claimed[name] = d.span(name, time.Millisecond)
		}
		c.facts.Views = append(c.facts.Views, v)
	case "sees":
		s := VIPSight{Address: words[2], Holder: d.value("holder", ""), Asked: d.has("asked"), MACs: []string{}}
		if mac := d.value("mac", ""); mac != "" {
			s.MACs = append(s.MACs, mac)
		}
		c.facts.Views = append(c.facts.Views, View{Node: words[1], VIPs: []VIPSight{s}})
	case "command":
		for i := range c.facts.VIPs {
			if f := &c.facts.VIPs[i]; string(f.Name) == strings.TrimSuffix(words[1], ":") {
				f.Unit, f.RestartCommand = "", strings.Fields(text)
				if len(f.RestartCommand) > 0 {
					f.Unit = f.RestartCommand[len(f.RestartCommand)-1]
				}
			}
		}
	case "keys":
		c.facts.Views = append(c.facts.Views, View{Node: words[1], Keys: words[2:]})
	case "eligible":
		for i := range c.facts.VIPs {
			if f := &c.facts.VIPs[i]; string(f.Name) == words[1] {
				f.Eligible, _ = strconv.Atoi(words[2])
			}
		}
	case "lives":
		for i := range c.facts.Members {
			if m := &c.facts.Members[i]; m.Name == words[1] {
				m.Address = words[2]
			}
		}
	case "reach":
		c.facts.Reach[words[1]] = map[string]Reach{"answers": ReachAnswers, "nothing": ReachNothing}[words[2]]
	case "sealed":
		c.facts.Sealed[words[1]] = SealedFacts{Packets: d.number("packets"), Ago: d.span("ago", 0)}
	case "refused":
		if c.facts.Refused == nil {
			c.facts.Refused = map[string]Refused{}
		}
		c.facts.Refused[words[1]] = Refused{What: words[2], Why: text, Ago: d.span("ago", time.Minute)}
	case "forget":
		c.forget(core.Name(words[1]))
	default:
		t.Fatalf("unknown directive %q", line)
	}
}

func (c *cluster) applyVoter(d directive, name string) {
	v := c.voter(name)
	v.Ago, v.Silent = d.span("ago", v.Ago), d.span("silent", v.Silent)
	v.LastReason, v.Other = d.value("refused", v.LastReason), d.value("other", v.Other)
	if d.has("never") {
		*v = core.VoterStatus{Name: name}
	}
}

func (c *cluster) applyNode(d directive, name string) {
	n := c.node(name)
	n.Ago = d.span("ago", n.Ago)
	n.ClaimedAgo = d.span("claimed", n.ClaimedAgo)
	n.Claimed = n.Claimed || n.ClaimedAgo > 0
	n.State.Build = d.value("build", n.State.Build)
	n.State.Draining = n.State.Draining || d.has("draining")
	n.State.Stopping = n.State.Stopping || d.has("stopping")
	n.Voter = n.Voter && !d.has("novote")
	if d.value("detector", "") == "slow" {
		n.State.Detector = slowDetector
	}
	n.State.Fence = d.value("fence", n.State.Fence)
	if list := d.number("list"); list != 0 {
		n.State.List.Digest = list
	}
	if d.has("witness") {
		n.State.Witness, n.State.Instances = true, nil
		for i := range n.State.VIPs {
			n.State.VIPs[i] = core.VIPState{Name: n.State.VIPs[i].Name, Standing: core.NoInstance}
		}
	}
	if d.has("never") {
		*n = core.NodeStatus{Name: name, Voter: n.Voter}
	}
}

func (c *cluster) applyVIP(d directive, name string) {
	v := c.vip(name)
	v.HeldFor = d.span("held", v.HeldFor)
	if holder := d.value("holder", ""); holder != "" {
		v.Holder, v.Holding = holder, !d.has("taking")
		if holder == "nobody" {
			v.Holder, v.Holding, v.HeldFor = "", false, 0
		}
		for i := range c.status.Nodes {
			for k := range c.status.Nodes[i].State.VIPs {
				if p := &c.status.Nodes[i].State.VIPs[k]; p.Name == v.Name {
					p.Role = core.Idle
					if c.status.Nodes[i].Name == v.Holder {
						p.Role, p.Clean = core.Holding, false
					}
				}
			}
		}
	}
	for i := range c.facts.VIPs {
		if f := &c.facts.VIPs[i]; f.Name == v.Name {
			for _, x := range []core.Failback{core.FailbackAuto, core.FailbackManual, core.FailbackNever} {
				if failbackWord(x) == d.value("failback", "") {
					f.Failback = x
				}
			}
		}
	}
}

func (c *cluster) applyPart(d directive, node, vip string) {
	d.words = d.words[1:]
	p := c.part(node, vip)
	if w := d.value("role", ""); w != "" {
		p.Role = enum[core.Role](d.t, w)
	}
	if w := d.value("standing", ""); w != "" {
		p.Standing = enum[core.Standing](d.t, w)
	}
	if w := d.value("coming", ""); w != "" {
		p.Coming = enum[core.Homecoming](d.t, w)
	}
	if w := d.value("refused", ""); w != "" {
		p.Refused = enum[core.AskRefusal](d.t, w)
	}
	p.Wait = d.span("wait", p.Wait)
	p.Conflict, p.ConflictNode = d.value("conflict", p.Conflict), d.value("of", p.ConflictNode)
	p.ConflictAgo = d.span("seen", p.ConflictAgo)
	p.Losses = int(d.number("losses"))
	switch {
	case d.has("clean"):
		p.Clean = true
	case d.has("tainted"):
		p.Clean = false
	case d.has("warm"):
		p.Clean, p.Served = false, core.Term{Epoch: 4, Node: node, ID: 1}
	}
}

func (c *cluster) applyAddress(d directive, name string) {
	c.facts.Addresses = slices.DeleteFunc(c.facts.Addresses, func(a AddressFacts) bool { return string(a.Name) == name })
	if d.has("up") {
		c.facts.Addresses = append(c.facts.Addresses, AddressFacts{
			Name: core.Name(name), Prefix: netip.PrefixFrom(netip.MustParseAddr(name), 32), Interface: "eth0", Since: noon,
		})
	}
}

func (c *cluster) forget(name core.Name) {
	c.status.VIPs = slices.DeleteFunc(c.status.VIPs, func(v core.VIPStatus) bool { return v.Name == name })
	c.facts.VIPs = slices.DeleteFunc(c.facts.VIPs, func(v VIPFacts) bool { return v.Name == name })
	for i := range c.status.Nodes {
		s := &c.status.Nodes[i].State
		s.VIPs = slices.DeleteFunc(s.VIPs, func(v core.VIPState) bool { return v.Name == name })
	}
}

// directive is the words of a line after its first two.
type directive struct {
	t     *testing.T
	words []string
	text  string
}

func (d directive) has(word string) bool { return slices.Contains(d.words, word) }

func (d directive) value(key, otherwise string) string {
	for _, w := range d.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return v
		}
	}
	return otherwise
}

// number is 0 where there is none.
func (d directive) number(key string) uint64 {
	d.t.Helper()
	n, err := strconv.ParseUint(d.value(key, "0"), 0, 64)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d directive) span(key string, otherwise time.Duration) time.Duration {
	d.t.Helper()
	text := d.value(key, "")
	if text == "" {
		return otherwise
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

// enum finds the code with that name.
func enum[T interface {
	~uint8
	fmt.Stringer
}](t *testing.T, word string) T {
	t.Helper()
	for _, c := range codes[T]() {
		if c.String() == word {
			return c
		}
	}
	t.Fatalf("%T has no %q", T(0), word)
	return 0
}

// codes returns every code of a closed set, by the names that its String knows.
func codes[T interface {
	~uint8
	fmt.Stringer
}]() []T {
	var out []T
	for c := T(0); !strings.HasPrefix(c.String(), "unknown"); c++ {
		out = append(out, c)
	}
	return out
}
