package control

import (
	"net/netip"
	"time"

	"memvip/agent/core"
)

// Facts is what a report has beyond the machine's own status: what the run loop and the adapters know.
type Facts struct {
	Now     time.Time // wall clock of this host
	Started time.Time // of this agent
	Build   string

	Cluster      string
	ConfigPath   string
	ConfigDigest string // hexadecimal
	OnDisk       OnDisk
	KeyPath      string
	Port         int // of gossip, UDP and TCP
	Lease        time.Duration
	Settings     Settings // of the whole configuration; zero if they are not to be told

	VIPs      []VIPFacts
	Addresses []AddressFacts    // up on this node's interfaces now, by its own doing
	Clients   map[core.Name]int // connections known to this node, by VIP; see VIP.Clients
	Detector  string
	Members   []Member
	Counters  any // of gossip, marshalled as it is

	Views          []View // of the nodes that were asked and answered, this one included
	MetricsTrouble string // why nobody is told metrics that are to be told; "" if nothing is in the way

	// Of nodes, by name; those that nothing is known of are left out.
	Sealed map[string]SealedFacts
	// Refused has the reporting node at most: the others' are in their views.
	Refused map[string]Refused
	Reach   map[string]Reach
}

// OnDisk is what became of the configuration file since it was read.
type OnDisk struct {
	Fault   string // why an agent that starts by it would not; "" if it would
	Differs bool   // it would do, and says something else
}

// SealedFacts is what came from a node's address and this node's key did not open.
type SealedFacts struct {
	Packets uint64
	Ago     time.Duration // since the newest
}

// Reach says whether a node's host is there, whatever its agent does.
type Reach uint8

// What is known of a host.
const (
	ReachUnknown Reach = iota
	ReachAnswers       // to ARP, for its own address
	ReachNothing       // no answer
)

// VIPFacts is how a VIP is configured.
type VIPFacts struct {
	Name      core.Name
	Prefix    netip.Prefix
	Interface string
	Instance  string // the same text as core.VIP.Instance
	Failback  core.Failback
	Eligible  int // nodes that may hold it

	Unit           string   // of systemd, of its memcached; "" if the configuration does not tell
	RestartCommand []string // of its memcached; nil if there is none
}

// AddressFacts is an address that is up.
type AddressFacts struct {
	Name      core.Name
	Prefix    netip.Prefix
	Interface string
	Since     time.Time // zero if unknown
}

// vip returns the configuration of a VIP.
func (f Facts) vip(name core.Name) VIPFacts {
	for _, v := range f.VIPs {
		if v.Name == name {
			return v
		}
	}
	return VIPFacts{Name: name}
}

// up returns the address of a VIP if it is on this node's interfaces.
func (f Facts) up(name core.Name) (AddressFacts, bool) {
	for _, a := range f.Addresses {
		if a.Name == name {
			return a, true
		}
	}
	return AddressFacts{}, false
}
