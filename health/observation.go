package health

import (
	"fmt"
	"time"
)

// Kind is the source of an observation.
type Kind int

// The kinds of observation.
const (
	// KeptOpen: the connection that stays open, or the attempt to open it.
	KeptOpen Kind = iota
	// Fresh: a connection opened for one question.
	Fresh
	// Process: what is known of the process itself.
	Process
)

func (k Kind) String() string {
	switch k {
	case KeptOpen:
		return "kept_open"
	case Fresh:
		return "fresh"
	case Process:
		return "process"
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// Outcome is what was observed.
type Outcome int

// The outcomes. Those of a KeptOpen or Fresh connection come first.
const (
	// Answered: mn was answered.
	Answered Outcome = iota
	// AnsweredFull: the answer was "Too many open connections".
	AnsweredFull
	// AnsweredLogin: the answer was "unauthenticated".
	AnsweredLogin
	// TimedOut: no answer within the deadline. The question stays out: a KeptOpen one times out again after each
	// further deadline, a Fresh one is Settled when it is answered or ends after all.
	TimedOut
	// Settled: a Fresh connection that had timed out was answered late, or ended, or was given up. KeptOpen has none:
	// there a late answer is Answered.
	Settled
	// Refused: connect was refused.
	Refused
	// Lost: the KeptOpen connection ended after it had been answered at least once. Alone it means nothing.
	Lost
	// Ended: a new connection ended before its first answer.
	Ended
	// BadReply: the answer was not memcached's.
	BadReply
	// NoRoute: the address could not be reached.
	NoRoute
	// IOFailed: any other failure of a socket.
	IOFailed
	// Exited: the Process ended.
	Exited
	// Replaced: another Process answers now and nobody saw the old one end.
	Replaced
)

func (o Outcome) String() string {
	names := [...]string{"answered", "answered_full", "answered_login", "timed_out", "settled", "refused", "lost",
		"ended", "bad_reply", "no_route", "io_failed", "exited", "replaced"}
	if o < 0 || int(o) >= len(names) {
		return fmt.Sprintf("outcome(%d)", int(o))
	}
	return names[o]
}

// alive tells the answers of a live server.
func (o Outcome) alive() bool {
	return o == Answered || o == AnsweredFull || o == AnsweredLogin
}

// reason is what a failed outcome is called when it decides.
func (o Outcome) reason() Reason {
	switch o {
	case Answered, Settled, Lost:
		return ReasonNone
	case AnsweredFull:
		return ReasonFull
	case AnsweredLogin:
		return ReasonLogin
	case TimedOut:
		return ReasonTimeout
	case Refused:
		return ReasonRefused
	case Ended, Replaced:
		return ReasonClosed
	case BadReply:
		return ReasonBadReply
	case NoRoute:
		return ReasonNoRoute
	case IOFailed:
		return ReasonIO
	case Exited:
		return ReasonExited
	}
	return ReasonIO
}

// Observation is one fact for the Judge.
type Observation struct {
	Kind    Kind
	Outcome Outcome
	Sent    time.Time // when the question was sent, or the connect begun; unused for Process
	At      time.Time // when the fact held or was seen
}

func (o Observation) String() string { return o.Kind.String() + " " + o.Outcome.String() }
