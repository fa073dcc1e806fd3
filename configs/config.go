package configs

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Config is a whole configuration with every value settled. It is not changed after Parse or Load.
type Config struct {
	Path      string // as given to Load
	Cluster   Cluster
	Memcached Memcached
	Health    Health
	Agent     Agent
	Hooks     Hooks
	Metrics   Metrics
	VIPs      []VIP // in the order of the file

	warnings   []string
	votersLine int // where cluster.voters stands, for Self
}

// A Cluster is who takes part and by which rules they share addresses.
type Cluster struct {
	Name    string
	Voters  []Member // sorted by name, witnesses included. Invariant: at least three
	Nodes   []Member // sorted by name: those without a vote
	KeyFile string   // resolved against the folder of the configuration file
	Keys    []Key    // the first seals, all open; nil after Parse, which reads none
	Port    int      // of gossip and lease messages, UDP and TCP
	Lease   time.Duration
	Drift   float64 // bound on the difference of two clocks' rates, as a fraction
	Fence   Fence

	// VotersOff names voters of the list in force that are switched off: a change of the list does not wait
	// for their word. Sorted; nil if none.
	VotersOff []string
}

// A Fence says what stops a node from answering on an address whose lease ran out while its agent is frozen or dead.
type Fence string

// The fences that a file may name.
const (
	FenceAuto     Fence = "auto"     // nftables where the host can, else the lifetime
	FenceNftables Fence = "nftables" // a kernel set whose elements run out with the lease, or no agent
	FenceLifetime Fence = "lifetime" // the address's own valid lifetime; the node's leases are 5 s then
	FenceOff      Fence = "off"      // the agent's own timer only
)

// A Member is one host of the cluster.
type Member struct {
	Name    string
	Addr    netip.Addr
	Voter   bool // its grants count
	Witness bool // it has no memcached and never holds an address. Invariant: implies Voter
}

// Memcached is the instance that serves every VIP without one of its own.
type Memcached struct {
	Address        netip.AddrPort // zero if every VIP names its own
	RestartCommand []string       // an argv, run without a shell; nil if not set
}

// Health says when an instance counts as up or down.
type Health struct {
	Interval      time.Duration // between probes on the kept connection
	Deadline      time.Duration // for one probe's answer. Invariant: at most FreshInterval
	Fall          int           // failures in a row that make it down
	Rise          int           // successes in a row that make it up
	FreshInterval time.Duration // between probes on fresh connections. Invariant: at least Interval
}

// A Failback says how an address goes home.
type Failback string

// The ways home.
const (
	FailbackAuto   Failback = "auto"   // by itself, once the home is proved clean
	FailbackManual Failback = "manual" // when an operator asks
	FailbackNever  Failback = "never"  // it stays until its holder loses it
)

// A VIP is one service address and how each node serves it.
type VIP struct {
	Prefix         netip.Prefix // address and length, /32 or /128 unless the file asks for another
	Home           string       // Invariant: names a member that is no witness
	Interface      string       // empty: found by subnet, see Fit
	Instance       netip.AddrPort
	RestartCommand []string // restarts Instance; nil if not set
	Candidates     []string // sorted, Home among them; empty: every node but the witnesses
	Failback       Failback
	FailbackDelay  time.Duration

	line, interfaceLine int // where address and interface stand, for Fit
}

// Allows reports whether the VIP's candidates include the node. It does not know who is a witness; see
// Config.Eligible.
func (v VIP) Allows(node string) bool {
	return len(v.Candidates) == 0 || slices.Contains(v.Candidates, node)
}

// MayHold returns the names of the nodes that may hold a VIP.
func (c *Config) MayHold(v VIP) []string {
	var names []string
	for _, m := range c.AllNodes() {
		if !m.Witness && v.Allows(m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// Unit returns the systemd unit of a VIP's memcached, as far as the configuration tells: the one that restart_command
// restarts or, where VIPs share the memcached of the host, the distribution's. "" is one that is not known.
func (c *Config) Unit(v VIP) string {
	if argv := v.RestartCommand; len(argv) > 2 && filepath.Base(argv[0]) == "systemctl" {
		for _, word := range slices.Backward(argv[2:]) {
			if !strings.HasPrefix(word, "-") {
				return strings.TrimSuffix(word, ".service")
			}
		}
	}
	if v.Instance == c.Memcached.Address {
		return "memcached"
	}
	return ""
}

// AllNodes returns every member, voters (witnesses among them) and nodes without a vote, sorted by name.
func (c *Config) AllNodes() []Member {
	all := slices.Concat(c.Cluster.Voters, c.Cluster.Nodes)
	sortMembers(all)
	return all
}

// Member returns the member of that name.
func (c *Config) Member(name string) (Member, bool) {
	for _, m := range c.AllNodes() {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// Eligible returns the VIPs that the node may ever hold, in the order of the file: those whose candidates
// include it, and none for a witness or a stranger.
func (c *Config) Eligible(node string) []VIP {
	m, ok := c.Member(node)
	if !ok || m.Witness {
		return nil
	}
	var vips []VIP
	for _, v := range c.VIPs {
		if v.Allows(node) {
			vips = append(vips, v)
		}
	}
	return vips
}

// Self returns the member that this host is. The error, an *Error, lists the names that would do.
func (c *Config) Self(node string) (Member, error) {
	if m, ok := c.Member(node); ok {
		return m, nil
	}
	return Member{}, &Error{
		File:     c.Path,
		Line:     c.votersLine,
		Key:      "cluster.voters",
		Found:    quote(node) + " is neither voter nor node",
		Expected: "--node (the host's name unless given) to be " + oneOf(names(c.AllNodes())),
	}
}

// Warnings returns what is allowed but probably not meant, one sentence each, with file, line and key. It is
// what Parse noticed: a Config put together by hand has none.
func (c *Config) Warnings() []string {
	return slices.Clone(c.warnings)
}

func names(members []Member) []string {
	list := make([]string, len(members))
	for i, m := range members {
		list[i] = m.Name
	}
	return list
}

func sortMembers(members []Member) {
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
}
