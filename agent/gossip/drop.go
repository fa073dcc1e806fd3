package gossip

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// DropReason says why something that came in, or was to go out, was dropped. The set is closed, so
// that every drop can be counted.
type DropReason uint8

// Reasons, in the order in which a packet meets them.
const (
	NotDropped        DropReason = iota
	DropLabel                    // no label, or that of another cluster
	DropShort                    // ends before it says what it is
	DropCipher                   // not encrypted in the one way this package accepts
	DropUndecryptable            // another key, or altered under way
	DropReplayed                 // heard before
	DropStreamLimit              // too many streams at once
	DropBusy                     // memberlist does not keep up
	DropOversize                 // longer than any message may be
	DropMisdirected              // meant for another node
	DropVersion                  // a wire version this agent does not speak
	DropKind                     // a kind of message this agent does not know
	DropTrailing                 // bytes after the end of the message
	DropTooMany                  // more entries in a list than any cluster has
	DropTooDeep                  // nested deeper than any message is
	DropTooLong                  // a name or text longer than allowed
	DropBadValue                 // a value no agent sends
	DropMalformed                // not the encoding it claims to be
	DropUnknownNode              // speaks of, or for, a node that is not configured
	DropWrongAddress             // a configured node, but not at its configured address
	dropReasons                  // number of reasons
)

var dropNames = [dropReasons]string{"not_dropped", "label", "short", "cipher", "undecryptable", "replayed",
	"stream_limit", "busy", "oversize", "misdirected", "version", "kind", "trailing", "too_many", "too_deep",
	"too_long", "bad_value", "malformed", "unknown_node", "wrong_address"}

func (r DropReason) String() string {
	if r < dropReasons {
		return dropNames[r]
	}
	return "unknown reason"
}

// DropReasons lists them all, in that order.
func DropReasons() []DropReason {
	var list []DropReason
	for r := NotDropped + 1; r < dropReasons; r++ {
		list = append(list, r)
	}
	return list
}

// MarshalText lets counters be keyed by the reason's name in JSON.
func (r DropReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// DropError is an error with the reason it is counted under.
type DropError struct {
	Reason DropReason
	Err    error // what was found
}

func (e *DropError) Error() string { return e.Reason.String() + ": " + e.Err.Error() }

// Unwrap returns what was found.
func (e *DropError) Unwrap() error { return e.Err }

// drop returns a DropError.
func drop(r DropReason, format string, args ...any) error {
	return &DropError{Reason: r, Err: fmt.Errorf(format, args...)}
}

// ReasonOf returns the reason an error of this package is counted under, or NotDropped if it has none.
func ReasonOf(err error) DropReason {
	var d *DropError
	if errors.As(err, &d) {
		return d.Reason
	}
	return NotDropped
}

// Counters counts since Start.
type Counters struct {
	Sent          uint64                `json:"sent"`        // messages of core handed to the kernel
	SendFailed    uint64                `json:"send_failed"` // messages that were not: no route, no room, too long
	Received      uint64                `json:"received"`    // messages of core handed to OnMessage
	StatesHeard   uint64                `json:"states_heard"`
	Joins         uint64                `json:"joins"`       // state exchanges begun by this node to make a peer a member
	JoinFailed    uint64                `json:"join_failed"` // those that came to nothing
	LogSuppressed uint64                `json:"log_suppressed"`
	Dropped       map[DropReason]uint64 `json:"dropped"` // only reasons that occurred
}

// tally is the live form of Counters.
type tally struct {
	sent, sendFailed, received, statesHeard, joins, joinFailed, logSuppressed atomic.Uint64

	dropped [dropReasons]atomic.Uint64
}

// drop counts an error under its reason; one without a reason is malformed.
func (t *tally) drop(err error) {
	r := ReasonOf(err)
	if r == NotDropped {
		r = DropMalformed
	}
	t.dropped[r].Add(1)
}

func (t *tally) read() Counters {
	c := Counters{
		Sent: t.sent.Load(), SendFailed: t.sendFailed.Load(), Received: t.received.Load(),
		StatesHeard: t.statesHeard.Load(), Joins: t.joins.Load(), JoinFailed: t.joinFailed.Load(),
		LogSuppressed: t.logSuppressed.Load(), Dropped: make(map[DropReason]uint64),
	}
	for r := range dropReasons {
		if n := t.dropped[r].Load(); n > 0 {
			c.Dropped[r] = n
		}
	}
	return c
}
