package core

import "time"

// Effect is an order. Effects of one step are carried out in their order; what fails comes back as an
// event.
type Effect interface{ effect() }

// SaveState asks for the state file to be replaced, and for StateSaved or SaveFailed in return.
type SaveState struct {
	Seq     uint64
	Durable Durable
}

// Send asks for a message to be sent, once, to another node's agent.
type Send struct {
	To  string
	Msg Message
}

// PublishState asks for the node's own state to be gossiped to everybody.
type PublishState struct{ State NodeState }

// TakeAddress asks for an address to be put up and announced, unless Until has passed by then.
type TakeAddress struct {
	Name  Name
	Term  Term
	Until Instant
}

// ProlongAddress tells how long the lease of an address now lasts.
type ProlongAddress struct {
	Name  Name
	Until Instant
	Gone  bool // somebody else removed it: it is to be put back at once
}

// DropAddress asks for an address to be taken down: sockets destroyed while a reset can still leave, then
// the address removed. Late: its lease is over, so the address goes first. All: every socket is looked for first. The clients
// of a memcached that has not answered for a while, and was not seen to end, wait on them for what never comes; and where no
// successor is named, nobody waits for the address, or knows of clients that are left. Else a few of those that are known will
// do; the others hear and say nothing more, and are destroyed later.
type DropAddress struct {
	Name Name
	Late bool
	All  bool
}

// AnnounceAddress asks for an address that is up to be announced again. Once: a single time, as an answer to
// somebody else's claim has to be; else the whole schedule of a new address begins anew.
type AnnounceAddress struct {
	Name Name
	Once bool
}

// CheckInstance asks whether an instance is still as its proof says: while the holder of an address lets it go to this node, or beside the
// claim that may bring it up, and before a home asks the holder to let go.
type CheckInstance struct {
	Instance string
	Name     Name
	Number   uint64 // comes back with the answer; 0 before a home asks
	Proof    Proof  // compared, unless zero
	Serving  bool   // it serves another VIP since the proof: only the incarnation is compared
	Drained  []Name // connections accepted on these VIPs must be gone from the process (F11)
}

// WatchQuiet asks for InstanceQuiet once no client has touched an instance for two seconds.
type WatchQuiet struct{ Instance string }

// StopWatch ends WatchQuiet.
type StopWatch struct{ Instance string }

// FlushInstance asks for a flush and its proof.
type FlushInstance struct {
	Instance string
	Attempt  uint64
	Drained  []Name // connections accepted on these VIPs must be gone first (F11)
}

// RestartInstance asks for the operator's restart_command to be run.
type RestartInstance struct{ Instance string }

// WakeAt asks for a Tick at an instant. A later WakeAt replaces an earlier one.
type WakeAt struct{ At Instant }

// Exit says that a requested stop is complete. Kept are the VIPs whose addresses stay up for the next life.
type Exit struct{ Kept []KeptRecord }

// Transition is a change worth a line in the log: data, never prose.
type Transition struct {
	Name     Name // VIP, or "" for the node
	Instance string
	From, To string
	Cause    Cause
	Term     Term
	Peer     string        // that it was taken over from, is given to, or that has another part in it; "" if none is known
	Since    time.Duration // how long From had lasted
	Gap      time.Duration // to holding: how long nobody had served the VIP, as far as this node knows; 0: not at all, or not known
	Detail   string
}

// Cause says why something changed.
type Cause string

// Causes of transitions.
const (
	CauseHint         Cause = "hint"          // a voter named this node
	CauseRetry        Cause = "retry"         // the time left of a refusal is over
	CauseContinue     Cause = "continue"      // an own term may be continued
	CauseSuccessor    Cause = "successor"     // the releaser named this node
	CauseMajority     Cause = "majority"      // a majority granted
	CauseAddressUp    Cause = "address_up"    // address up and announced
	CauseLeaseLost    Cause = "lease_lost"    // validity ended unrenewed
	CauseInstanceDown Cause = "instance_down" // memcached died or hangs
	CauseDrain        Cause = "drain"         // operator
	CauseMove         Cause = "move"          // likewise
	CausePause        Cause = "pause"         // likewise
	CauseOperator     Cause = "operator"      // likewise: a flush
	CauseStop         Cause = "stop"          // the agent stops
	CauseMakeRoom     Cause = "make_room"     // a guest leaves so that this home can prove itself
	CauseHandback     Cause = "handback"      // the home is proved clean and asks
	CauseLinkDown     Cause = "link_down"     // interface or carrier gone
	CauseDisk         Cause = "disk"          // the record could not be written
	CauseCheck        Cause = "check"         // the instance is not as its proof says
	CauseAddress      Cause = "address"       // the kernel refused
	CauseRefused      Cause = "refused"       // no majority within the attempt
	CauseIneligible   Cause = "ineligible"    // this node may no longer take it
	CauseRival        Cause = "rival"         // a better candidate claims too
	CauseNoContinuity Cause = "no_continuity" // somebody else may have served meanwhile
	CauseReleased     Cause = "released"      // address down, lease given up
	CauseLeftover     Cause = "leftover"      // an earlier life's address, not continued
	CauseProof        Cause = "proof"         // flush proved
	CauseRestart      Cause = "restart"       // memcached restarted empty
	CauseTainted      Cause = "tainted"       // has served, or nobody knows
	CauseReclaim      Cause = "reclaim"       // the successor did not take it
	CauseDone         Cause = "done"
	CauseVoterList    Cause = "voter_list"
	CauseStartNumber  Cause = "start_number" // a voter remembers a later life than this node does
	CauseFirstStart   Cause = "first_start"  // no state file: a new host, or a rebooted one
	CauseStateLost    Cause = "state_lost"   // there is one, and it is not valid
	CauseSameName     Cause = "same_name"

	CauseUnprovable      Cause = "unprovable"       // the instance refuses flush_all or wants a login
	CauseConnectionsLeft Cause = "connections_left" // those of an earlier service are still in the instance

	CauseForeignHost    Cause = "foreign_host"    // a MAC that no member has told claims the VIP; nothing else changed
	CauseMemberConflict Cause = "member_conflict" // a member claims the VIP that this node holds; likewise
)

func (SaveState) effect()       {}
func (Send) effect()            {}
func (PublishState) effect()    {}
func (TakeAddress) effect()     {}
func (ProlongAddress) effect()  {}
func (DropAddress) effect()     {}
func (AnnounceAddress) effect() {}
func (CheckInstance) effect()   {}
func (WatchQuiet) effect()      {}
func (StopWatch) effect()       {}
func (FlushInstance) effect()   {}
func (RestartInstance) effect() {}
func (WakeAt) effect()          {}
func (Exit) effect()            {}
func (Transition) effect()      {}
