package core

import "time"

// Event is a fact, told to the machine in the order it was noticed.
type Event interface{ event() }

// Started is the first event of an agent's life.
type Started struct {
	Boot    string  // the kernel's boot id with the cookie of the agent's network namespace
	Entropy uint64  // seed of every random number this life draws
	Durable Durable // what the state file holds; zero unless Valid
	Valid   bool    // the file is whole and of this very host boot (F4)
	Problem string  // why it is not, in words; "" when there simply was none
	Present []Name  // VIPs whose addresses an earlier life left on the links
}

// Tick says that the instant asked for by WakeAt has come.
type Tick struct{}

// Received is a message of another node. Source is the network address it came from.
type Received struct {
	Source string
	Msg    Message
}

// StateHeard is a node's state, by gossip: another's, or one of this node's that is newer than what it says itself.
type StateHeard struct{ State NodeState }

// StateSaved says that the state of SaveState Seq is in the file.
type StateSaved struct{ Seq uint64 }

// SaveFailed says that it is not, and why.
type SaveFailed struct {
	Seq uint64
	Err string
}

// InstanceUp says that an instance answers, in which incarnation, and what it said of itself.
type InstanceUp struct {
	Instance    string
	Figures     Proof   // its figures now; Restart: it had never held an item and keeps no memory across restarts
	Began       Instant // the process did not begin before; zero: not known
	KeepsMemory bool    // a restart of it may bring old values back (-e)
	Unprovable  string  // why it cannot be flushed (flush_all disabled, login wanted); "" if it can
	Note        string  // what limits it, in words ("maxconns reached"); "" if nothing
	Conns       int     // connections that it takes; 0 if that is not known
}

// InstanceWentDown says that an instance is dead or does not answer.
type InstanceWentDown struct {
	Instance string
	Reason   string
	Dead     bool // the kernel said that its process is ending
}

// InstanceQuiet says that no client has touched an instance for two seconds.
type InstanceQuiet struct{ Instance string }

// InstanceBusy says what moved while quiet was awaited.
type InstanceBusy struct {
	Instance string
	Detail   string
}

// FlushDone says that the flush of an attempt is proved.
type FlushDone struct {
	Instance string
	Attempt  uint64
	Proof    Proof
}

// FlushFailed says that it is not, and why.
type FlushFailed struct {
	Instance string
	Attempt  uint64
	Reason   string
}

// RestartFailed says that the command of a RestartInstance came to nothing, and why. What came of one that did not fail is told by
// InstanceWentDown and InstanceUp.
type RestartFailed struct {
	Instance string
	Reason   string
}

// InstanceChecked answers CheckInstance. Reason is "" when the proof (or the drain) stands.
type InstanceChecked struct {
	Instance string
	Name     Name
	Number   uint64
	Proof    Proof // that was compared
	Reason   string
	Void     bool // the figures changed: the proof is void. False with a Reason: could not be checked, or connections are left.
}

// AddressUp says that the address of a TakeAddress is on its link and announced.
type AddressUp struct {
	Name Name
	Term Term
}

// AddressFailed says that a TakeAddress came to nothing; the address is not up.
type AddressFailed struct {
	Name Name
	Term Term
	Err  string
}

// AddressDown says that an address is off its link and its sockets are gone, or hear and say nothing more, and how long that took.
// Err is set when it could not be removed: it is still up.
type AddressDown struct {
	Name Name
	Took time.Duration
	Err  string
}

// AddressGone tells that an address is not on its link although it should be: other hands removed it.
type AddressGone struct{ Name Name }

// AddressLost tells that a held address cannot be kept served: its fence cannot be renewed, or others removed it and it
// cannot be put back.
type AddressLost struct {
	Name  Name
	Err   string
	Fence bool // the kernel did not take its fence
}

// AddressRestored tells that a held address was missing, and has been put back.
type AddressRestored struct{ Name Name }

// LinkChanged says whether the interface of a VIP is there, up and has carrier.
type LinkChanged struct {
	Name Name
	Up   bool
}

// AddressSeen says that somebody else on a VIP's link claimed its address for a MAC, in small letters, by ARP or
// neighbour advertisement, and how often since that was last told.
type AddressSeen struct {
	Name  Name
	MAC   string
	Times int
}

// MACsChanged says which MACs the links of this host have now, those of the VIPs' links first.
type MACsChanged struct{ MACs []string }

// StopRequested asks the node to give its VIPs away and then leave; or, to Keep, to leave at once with
// everything as it is, so that its next life goes on within the leases. The first counts.
type StopRequested struct{ Keep bool }

// DrainRequested asks the node to give its VIPs away and take none, or to end that.
type DrainRequested struct{ On bool }

// HandbackRequested is an operator asking this node, its home, for the hand-back of a VIP: at once, whatever its
// failback says.
type HandbackRequested struct{ Name Name }

// MoveRequested is an operator asking this node, the holder, to give a VIP to another one.
type MoveRequested struct {
	Name Name
	To   string
}

// PauseRequested is an operator asking that no VIP of the cluster goes home unasked, or that they do again.
type PauseRequested struct{ On bool }

// FlushRequested is an operator asking for an instance to be flushed and proved anew, as far as it serves nothing.
type FlushRequested struct{ Instance string }

func (Started) event()           {}
func (Tick) event()              {}
func (Received) event()          {}
func (StateHeard) event()        {}
func (StateSaved) event()        {}
func (SaveFailed) event()        {}
func (InstanceUp) event()        {}
func (InstanceWentDown) event()  {}
func (InstanceQuiet) event()     {}
func (InstanceBusy) event()      {}
func (FlushDone) event()         {}
func (FlushFailed) event()       {}
func (RestartFailed) event()     {}
func (InstanceChecked) event()   {}
func (AddressUp) event()         {}
func (AddressFailed) event()     {}
func (AddressDown) event()       {}
func (AddressGone) event()       {}
func (AddressLost) event()       {}
func (AddressRestored) event()   {}
func (LinkChanged) event()       {}
func (AddressSeen) event()       {}
func (MACsChanged) event()       {}
func (StopRequested) event()     {}
func (DrainRequested) event()    {}
func (HandbackRequested) event() {}
func (MoveRequested) event()     {}
func (PauseRequested) event()    {}
func (FlushRequested) event()    {}
