package sim

import (
	"fmt"
	"time"
)

// Act is one thing that somebody or something does to a world: a fault, or an operator's order. What it
// cannot do, because it does not apply, it leaves.
type Act struct {
	At   time.Duration
	Kind Kind
	A, B int           // which: hosts, VIPs; read modulo their number
	For  time.Duration // after which it ends by itself
}

func (a Act) String() string {
	return fmt.Sprintf("%s %s %d %d for %s", a.At, a.Kind, a.A, a.B, a.For)
}

// Kind is what an Act does.
type Kind uint8

// The kinds of acts.
const (
	Split        Kind = iota // hosts fall into two groups that do not hear each other
	Isolate                  // one host hears no other and is heard by none, but clients reach it
	CutOneWay                // what one host sends to another is lost
	CutPair                  // two hosts do not hear each other, others hear both
	Lossy                    // a third of all packets is lost
	HoldPackets              // what a host sends, or one kind of it, arrives later, or when its receiver restarts
	Replay                   // what a host sends, or one kind of it, arrives once more much later
	CutClient                // one client does not reach one host
	KillAgent                // and start it again
	KillLost                 // and the state file is lost
	KillSpoilt               // and it cannot be read
	RestartAgent             // at once
	RestartMany              // half of all agents, within a lease: an upgrade in a hurry
	LoseMany                 // and their state is lost
	FreezeAgent              // a long time
	StallAgent               // a short time
	TrapKill                 // it is killed at the worst instant: see trap
	TrapFreeze               // it is frozen then
	TrapHold                 // answers to it are held back then
	StopAgent                // an operator stops it and starts it later
	KeepRestart              // it leaves with its addresses up and is back within a lease: systemctl restart
	KeepLeave                // it does so and nobody starts it for long
	UpgradeMany              // some do so and go on at once, as another program
	Crash                    // the host loses power
	PullCable
	ExitMemcached
	RestartMemcached // in a moment, so that nobody may notice
	RestartKept      // it keeps its memory across this and later restarts
	HangMemcached
	RefuseFlush // it is restarted with -F
	SlowMemcached
	StickWorker
	OwnAddress // somebody uses the host's own address
	DiskFull
	DiskSlow
	RefuseAddress // the kernel refuses to remove an address
	RemoveAddress // other hands remove it
	Drain
	Handback
	MoveVIP   // an operator moves it to another host
	PauseHome // an operator pauses hand-backs
	FlushNow  // an operator has a host's instances flushed
	ChangeVoters
	ReplaceVoter // in one step, which is not allowed
	ChangeLease
	CloneHost
	ForeignHost // a host that is no member claims a VIP's address
	kinds
)

func (k Kind) String() string {
	return [...]string{"split", "isolate", "cut_one_way", "cut_pair", "lossy", "hold_packets", "replay", "cut_client", "kill_agent",
		"kill_agent_state_lost", "kill_agent_state_spoilt", "restart_agent", "restart_many", "lose_many", "freeze_agent", "stall_agent", "trap_kill", "trap_freeze", "trap_hold", "stop_agent", "keep_restart", "keep_leave", "upgrade_many", "crash",
		"pull_cable", "exit_memcached", "restart_memcached", "restart_memcached_kept", "hang_memcached", "refuse_flush",
		"slow_memcached", "stick_worker", "own_address", "disk_full", "disk_slow", "refuse_address", "remove_address", "drain",
		"handback", "move", "pause", "flush", "change_voters", "replace_voter", "change_lease", "clone_host", "foreign_host"}[k]
}

// weights say how often each kind is drawn.
var weights = [kinds]int{
	Split: 8, Isolate: 4, CutOneWay: 5, CutPair: 4, Lossy: 3, HoldPackets: 4, Replay: 4, CutClient: 2, KillAgent: 5, KillLost: 3, KillSpoilt: 1,
	RestartAgent: 5, RestartMany: 3, LoseMany: 1, FreezeAgent: 5, StallAgent: 5, TrapKill: 4, TrapFreeze: 4, TrapHold: 4, StopAgent: 3, KeepRestart: 5, KeepLeave: 2, UpgradeMany: 4, Crash: 5, PullCable: 4, ExitMemcached: 5, RestartMemcached: 5,
	RestartKept: 2, HangMemcached: 6, RefuseFlush: 1, SlowMemcached: 3, StickWorker: 4, OwnAddress: 2, DiskFull: 2, DiskSlow: 3,
	RefuseAddress: 1, RemoveAddress: 2, Drain: 4, Handback: 2, MoveVIP: 3, PauseHome: 2, FlushNow: 2, ChangeVoters: 2, ReplaceVoter: 1, ChangeLease: 1, CloneHost: 1, ForeignHost: 3,
}

// allowed reports whether a kind may happen to a cluster. A frozen or dead agent's host answers on until a
// fence stops it: without one that is a declared gap and proves nothing.
func (k Kind) allowed(s Shape) bool {
	switch k {
	case FreezeAgent, StallAgent, TrapFreeze, DiskSlow, // the loop waits for the disk
		KeepRestart, KeepLeave, UpgradeMany: // nobody may come in time
		return s.Fence.coversFreeze()
	case RefuseAddress:
		return s.Fence.kernel()
	case KillAgent, KillLost, KillSpoilt, RestartAgent, RestartMany, LoseMany, TrapKill:
		return s.Fence.coversDeath()
	case ChangeLease:
		return s.Fence != FenceLifetime
	case CloneHost:
		return s.Nodes > s.Voters-s.Witnesses // one that has no vote: two voters of one name are two voters
	default:
		return true
	}
}
