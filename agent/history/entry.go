package history

import (
	"time"

	"memvip/agent/core"
)

// Schema is the version of Entry. Within one, fields are only added.
const Schema = 1

// Kind says what an entry tells of. The set is closed.
type Kind string

// The kinds.
const (
	KindChange  Kind = "change"       // a transition of the machine
	KindStarts  Kind = "agent_starts" // the agent's life begins
	KindStops   Kind = "agent_stops"  // it ends in order; before a life without it, the agent was killed
	KindCommand Kind = "command"      // an operator asked for something
)

// Entry is one thing that happened on one node. Text that is empty and numbers that are 0 are left out
// of its JSON.
type Entry struct {
	Time  time.Time `json:"time"`  // RFC 3339 with up to microseconds, UTC, by the node's own clock
	Node  string    `json:"node"`  // where it happened
	Start uint64    `json:"start"` // number of the agent's life, as it began
	Seq   uint64    `json:"seq"`   // number in the node's timeline, from 1; goes on over restarts, a gap is a loss
	Kind  Kind      `json:"kind"`

	VIP      string `json:"vip,omitempty"`      // its address; "handback" for the slot of hand-backs
	Instance string `json:"instance,omitempty"` // memcached's address, where it is what changed
	From     string `json:"from,omitempty"`     // the state before
	To       string `json:"to,omitempty"`       // the state after
	Cause    string `json:"cause,omitempty"`    // why; the set is core.Cause
	Peer     string `json:"peer,omitempty"`     // another node that has a part in it
	Detail   string `json:"detail,omitempty"`   // what else is known, in free words
	Lasted   int64  `json:"since_ms,omitempty"` // how long the state before had lasted

	// Epoch is that of the VIP's acquisition which the change is part of, and orders the entries of all
	// nodes. 0 where there is none: claims that were not won may propose any, and a proof names one of
	// another node.
	Epoch uint64 `json:"epoch,omitempty"`
	Term  string `json:"term,omitempty"` // epoch/node/id; proposed, held, or what a proof is made over

	Command string `json:"command,omitempty"` // what was asked for
	By      string `json:"by,omitempty"`      // the node on which it was asked for
}

// FromTransition returns the entry of a change of the machine, seen at an instant of the node's clock.
func FromTransition(t core.Transition, at time.Time) Entry {
	e := Entry{
		Time: at, Kind: KindChange, VIP: string(t.Name), Instance: t.Instance, From: t.From, To: t.To,
		Cause: string(t.Cause), Peer: t.Peer, Detail: t.Detail, Lasted: t.Since.Milliseconds(),
	}
	if t.Term.Known() {
		e.Term = t.Term.String()
	}
	if ofAcquisition(t) {
		e.Epoch = t.Term.Epoch
	}
	return e
}

// ofAcquisition reports whether a majority has granted the term of a transition to its node.
func ofAcquisition(t core.Transition) bool {
	for _, role := range []core.Role{core.Taking, core.Holding, core.Dropping} {
		if t.Instance == "" && (t.From == role.String() || t.To == role.String()) {
			return true
		}
	}
	return false
}

// Refusal reports whether the entry tells that its node does not take a VIP that it should take, or had won.
func (e Entry) Refusal() bool {
	return e.Kind == KindChange && e.VIP != "" && (e.To == core.RefusalWord || e.To == "refused" && e.Cause == string(core.CauseCheck))
}

// Conflict reports whether it tells that another host claims an address, whose MAC is in Detail.
func (e Entry) Conflict() bool {
	foreign := e.Cause == string(core.CauseForeignHost) || e.Cause == string(core.CauseMemberConflict)
	return e.Kind == KindChange && foreign && !e.Refusal()
}

// Starts returns the entry of an agent's start. Build is its version.
func Starts(build string, at time.Time) Entry {
	return Entry{Time: at, Kind: KindStarts, Detail: build}
}

// Stops returns the entry of an agent's end in order. Detail says what it leaves behind; "" if nothing.
func Stops(detail string, at time.Time) Entry {
	return Entry{Time: at, Kind: KindStops, Detail: detail}
}

// Asked returns the entry of an operator's command, which was given on the node by. vip is "" for a command
// that concerns the whole node.
func Asked(command, vip, by string, at time.Time) Entry {
	return Entry{Time: at, Kind: KindCommand, Command: command, VIP: vip, By: by}
}
