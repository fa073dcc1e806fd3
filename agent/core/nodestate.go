package core

import "time"

// Standing says whether a node may take a VIP, and if not, the first reason.
type Standing uint8

const (
	Eligible         Standing = iota
	Excluded                  // not among the VIP's candidates
	NoInstance                // a witness: no memcached here
	InstanceUnknown           // not probed yet
	InstanceDown              // memcached does not answer
	InstanceFlushing          // a flush is under way
	Unprovable                // memcached refuses flush_all or wants a login
	ConnectionsLeft           // connections of a VIP it no longer holds are still in the process
	LinkDown                  // the VIP's interface is down or missing
	AddressStuck              // the kernel refused to add or remove the address
	Draining                  // an operator drains the node
	Stopping                  // the agent is going down
	DiskBroken                // the state file cannot be written
	NotQuorate                // no answers from a majority of voters within one lease
	ForeignHost               // a host that is no member claimed the address a moment ago, while no member held it
	OtherHands                // somebody removes the address from its link again and again
)

func (s Standing) String() string {
	names := [...]string{"eligible", "excluded", "no_instance", "instance_unknown", "instance_down",
		"instance_flushing", "unprovable", "connections_left", "link_down", "address_stuck", "draining",
		"stopping", "disk_broken", "not_quorate", "foreign_host", "other_hands"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown standing"
}

// Role is a node's part in one lease.
type Role uint8

const (
	Idle      Role = iota
	Candidate      // claims are out, nothing is won
	Taking         // the lease is won; record, check and address are on their way
	Holding        // the address is up and announced
	Dropping       // the address is on its way down; released once it is
)

func (r Role) String() string {
	switch r {
	case Idle:
		return "idle"
	case Candidate:
		return "candidate"
	case Taking:
		return "taking"
	case Holding:
		return "holding"
	case Dropping:
		return "dropping"
	}
	return "unknown role"
}

// FlushStage is how far an instance is on its way to a proof.
type FlushStage uint8

const (
	FlushIdle       FlushStage = iota
	FlushQuieting              // waiting for two seconds without traffic
	FlushRunning               // flush_all sent, proof awaited
	FlushRestarting            // restart_command is running
)

func (f FlushStage) String() string {
	switch f {
	case FlushIdle:
		return "idle"
	case FlushQuieting:
		return "waiting_for_quiet"
	case FlushRunning:
		return "flushing"
	case FlushRestarting:
		return "restarting"
	}
	return "unknown stage"
}

// Homecoming is what a home is waiting for before it has its VIP back.
type Homecoming uint8

const (
	NotAway        Homecoming = iota // holds it, is not its home, or nobody holds it
	AwayIneligible                   // this node may not take it: see Standing
	AwayTainted                      // the flush is not proved yet
	AwayManual                       // failback is manual and nobody asked
	AwayNever                        // failback is "never"
	AwayDelay                        // failback_delay (with damping) is not over
	AwaySlot                         // another hand-back is under way
	AwayAsked                        // the holder was asked and has not answered yet
	AwayRefused                      // the holder refused: see Refused
	AwayTaking                       // the holder lets go; this node is claiming
	AwayPaused                       // an operator paused hand-backs
)

func (h Homecoming) String() string {
	names := [...]string{"not_away", "ineligible", "tainted", "manual", "never", "delay", "slot", "asked", "refused", "taking", "paused"}
	if int(h) < len(names) {
		return names[h]
	}
	return "unknown homecoming"
}

// InstanceState is what a node says of one of its memcached instances.
type InstanceState struct {
	Address string // as configured, host:port
	Known   bool   // probed at least once
	Up      bool
	Reason  string // why it is down, or what limits it while up ("maxconns reached"); "" if nothing
	PID     int
	Stage   FlushStage
	Trouble string // what stands in the way of a proof, in words; "" if nothing
	Conns   int    // how many connections it takes (-c); 0 if it never told
}

// VIPState is what a node says of itself and one VIP.
type VIPState struct {
	Name     Name
	Role     Role
	Standing Standing
	Clean    bool // its instance is proved empty of this VIP's old values
	Served   Term // own last service that continuity may still save; zero if none
	HeldFor  time.Duration
	Epoch    uint64
	Coming   Homecoming
	Refused  AskRefusal    // the holder's last word, with Coming AwayRefused or AwayTainted
	Wait     time.Duration // with AwayDelay: time left
	Losses   int           // how often this node, its home, lost it within dampingWindow: what Wait is doubled by

	// Who else claimed the address lately: a MAC, the member whose it is (a foreign host's is nobody's), and
	// how long ago. "" if nobody did.
	Conflict     string
	ConflictNode string
	ConflictAgo  time.Duration
}

// NodeState is what a node says of itself, in its claims and by gossip. The newest wins, ordered by
// (Start, Seq).
type NodeState struct {
	Node      string
	Start     uint64
	Seq       uint64
	Version   uint64 // the Seq since which nothing has changed but durations
	Build     string
	Quorate   bool
	Draining  bool
	Stopping  bool
	Witness   bool
	Detector  string // how memcached's death is noticed: "process connector" or "connection end"
	Fence     string // what closes an address whose lease is over if the agent cannot: "nftables", "lifetime", "off"
	DiskError string
	List      ListID
	MACs      []string // of its links, sorted, in small letters
	Config    string   // digest of what has to be the same on every node, hexadecimal
	Pause     Pause    // the newest that it knows of
	Instances []InstanceState
	VIPs      []VIPState
}

// newerThan orders two states of one node.
func (s *NodeState) newerThan(o *NodeState) bool {
	return Request{s.Start, s.Seq}.Compare(Request{o.Start, o.Seq}) > 0
}

// vip returns what the state says of a VIP.
func (s NodeState) vip(name Name) (VIPState, bool) {
	for _, v := range s.VIPs {
		if v.Name == name {
			return v, true
		}
	}
	return VIPState{}, false
}

// held counts the VIPs that the node holds or is taking.
func (s NodeState) held() int {
	n := 0
	for _, v := range s.VIPs {
		if v.Role == Taking || v.Role == Holding {
			n++
		}
	}
	return n
}
