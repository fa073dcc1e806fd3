package health

import (
	"fmt"
	"time"
)

// clearFactor times the number of workers is how many fresh answers in a row end an inquiry while a fresh connection
// is still unanswered. Connections go to the workers in turn, but other clients' connections mix the turns, so a stuck
// worker out of W is missed by n probes with chance (1-1/W)^n: 0.0001 at 8W for four workers.
const clearFactor = 8

// workersDefault is memcached's own default of -t.
const workersDefault = 4

// State is the Judge's verdict.
type State int

// The states.
const (
	Unknown State = iota // no decision yet
	Up
	Down
)

func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Up:
		return "up"
	case Down:
		return "down"
	}
	return fmt.Sprintf("state(%d)", int(s))
}

// Verdict is what the Judge holds to be true.
type Verdict struct {
	State  State
	Reason Reason    // for Up a note or ReasonNone, for Down the cause
	Since  time.Time // the At of the observation that decided; zero while Unknown
}

// ChangeKind is what an observation did to the verdict.
type ChangeKind int

// The kinds of change.
const (
	NoChange ChangeKind = iota
	WentUp
	WentDown
	Noted // the state stands and has another reason
)

func (k ChangeKind) String() string {
	switch k {
	case NoChange:
		return "no_change"
	case WentUp:
		return "went_up"
	case WentDown:
		return "went_down"
	case Noted:
		return "noted"
	}
	return fmt.Sprintf("change(%d)", int(k))
}

// Judge turns observations into a verdict. It is a pure rule: the same observations give the same verdicts. The zero
// value is not ready; use NewJudge.
//
//   - The end of the process, a refused connect, or another process in its place: down at once.
//   - The end of the kept-open connection alone: nothing. Refused after it: down at once.
//   - fall failures in a row on the kept-open connection: down.
//   - fall fresh connections unanswered at the same time, while the kept-open one answered a question that was sent
//     after the last of them was overdue: a stuck worker, down. A late answer takes its connection out of the count.
//   - fall fresh connections in a row that ended unanswered or got a bad answer: down.
//   - The first live answer ever: up. After a down: rise live answers in a row on the kept-open connection and, if
//     fresh ones were the cause, enough fresh answers in a row to have met every worker.
type Judge struct {
	fall, rise int
	workers    int

	verdict Verdict

	misses int  // KeptOpen failures in a row
	goods  int  // KeptOpen live answers in a row
	lost   bool // the kept-open connection ended, and nothing was learned since
	silent bool // Invariant: only while Down. Nothing answered since it went down.

	overdue    int       // Invariant: Fresh TimedOut less Settled since the last reset, never negative.
	overdueAt  time.Time // At of the newest TimedOut
	freshGoods int       // Fresh live answers in a row
	freshBads  int       // Fresh Ended and BadReply in a row
	freshWant  int       // Invariant: zero unless Down by Fresh. Fresh live answers in a row needed to go up.

	keptNote, freshNote Reason // Invariant: ReasonNone, ReasonFull or ReasonLogin.
}

// NewJudge returns a judge that knows nothing yet. fall and rise are at least 1.
func NewJudge(fall, rise int) *Judge {
	return &Judge{fall: max(fall, 1), rise: max(rise, 1), workers: workersDefault}
}

// SetWorkers says how many worker threads the instance has. Without it four are assumed.
func (j *Judge) SetWorkers(n int) { j.workers = max(n, 1) }

// Verdict returns what holds after the latest observation.
func (j *Judge) Verdict() Verdict { return j.verdict }

// Inquiring tells that fresh connections gave cause to look closer: more of them should follow, at the pace of the
// kept-open one, until it ends.
func (j *Judge) Inquiring() bool { return j.overdue > 0 || j.freshBads > 0 || j.freshWant > 0 }

// Doubts reports whether anything but a healthy instance was seen last.
func (j *Judge) Doubts() bool {
	return j.verdict.State != Up || j.misses > 0 || j.lost || j.Inquiring()
}

// Overdue is how many fresh connections count as unanswered. When it is zero, those still waited for are of no use.
func (j *Judge) Overdue() int { return j.overdue }

// Observe takes one observation and says what it changed.
func (j *Judge) Observe(o Observation) ChangeKind {
	switch o.Kind {
	case KeptOpen:
		return j.observeKept(o)
	case Fresh:
		return j.observeFresh(o)
	case Process:
		return j.fell(o, o.Outcome.reason())
	}
	return NoChange
}

func (j *Judge) observeKept(o Observation) ChangeKind {
	if o.Outcome.alive() {
		j.misses, j.lost, j.silent = 0, false, false
		j.goods++
		j.keptNote = o.Outcome.reason()
		if j.stuck(o) {
			return j.fell(o, ReasonWorkerStuck)
		}
		return j.live(o)
	}
	j.goods = 0
	switch {
	case o.Outcome == Lost:
		j.lost = true
		return NoChange
	case o.Outcome == Refused && j.lost:
		return j.fell(o, ReasonClosed)
	case o.Outcome == Refused:
		return j.fell(o, ReasonRefused)
	}
	j.misses++
	if j.misses < j.fall {
		return NoChange
	}
	return j.fell(o, o.Outcome.reason())
}

// stuck tells, on a live answer of the kept-open connection, that too many fresh ones have none. The question must have
// been sent after they were overdue: a server that thaws answers everything, the kept-open connection perhaps first.
func (j *Judge) stuck(o Observation) bool {
	return j.verdict.State != Down && j.overdue >= j.fall && !o.Sent.Before(j.overdueAt)
}

func (j *Judge) observeFresh(o Observation) ChangeKind {
	switch o.Outcome {
	case Answered, AnsweredFull, AnsweredLogin:
		j.freshGoods++
		j.freshBads = 0
		j.freshNote = o.Outcome.reason()
		if j.freshGoods >= clearFactor*j.workers {
			j.overdue = 0
		}
		return j.live(o)
	case TimedOut:
		j.freshGoods, j.freshBads = 0, 0
		j.overdue++
		j.overdueAt = o.At
	case Settled:
		j.overdue = max(j.overdue-1, 0)
	case Refused:
		return j.fell(o, ReasonRefused)
	case Ended, BadReply:
		j.freshGoods = 0
		j.freshBads++
		if j.freshBads >= j.fall {
			return j.fell(o, o.Outcome.reason())
		}
	case NoRoute, IOFailed, Lost, Exited, Replaced:
		// A failure on our side, such as no port or descriptor left. The kept-open connection tells more.
	}
	return NoChange
}

// live goes up if that is due, or notes what a live answer brought.
func (j *Judge) live(o Observation) ChangeKind {
	switch {
	case j.verdict.State == Up && j.note() == j.verdict.Reason:
		return NoChange
	case j.verdict.State == Up:
		j.verdict.Reason = j.note()
		return Noted
	case j.verdict.State == Unknown && j.goods == 0:
		return NoChange
	case j.verdict.State == Down && !j.risen():
		return NoChange
	}
	j.freshWant, j.silent = 0, false
	j.verdict = Verdict{State: Up, Reason: j.note(), Since: o.At}
	return WentUp
}

func (j *Judge) risen() bool {
	if j.freshWant > 0 && (j.overdue > 0 || j.freshGoods < j.freshWant) {
		return false
	}
	return j.goods >= j.rise && j.overdue < j.fall
}

// note is what is noteworthy about a live server. The kept-open connection cannot see that the server is full for
// others, so what the fresh ones saw last stands beside it.
func (j *Judge) note() Reason {
	if j.keptNote != ReasonNone {
		return j.keptNote
	}
	return j.freshNote
}

// fell goes down, or notes that there is another reason to be down.
func (j *Judge) fell(o Observation, reason Reason) ChangeKind {
	before := j.verdict
	j.reset(o.Kind, reason)
	if before.State != Down {
		j.silent = true
		j.verdict = Verdict{State: Down, Reason: reason, Since: o.At}
		return WentDown
	}
	// Once the process is gone, silence and refusals until the next answer say nothing new.
	if before.Reason == reason || before.Reason.gone() && j.silent {
		return NoChange
	}
	j.verdict.Reason = reason
	return Noted
}

// reset begins all counts anew: towards going up, and towards another reason.
func (j *Judge) reset(kind Kind, reason Reason) {
	j.misses, j.goods, j.freshGoods, j.freshBads, j.lost = 0, 0, 0, 0, false
	j.keptNote, j.freshNote = ReasonNone, ReasonNone
	if reason.gone() {
		// What hung on the old process says nothing about the next.
		j.overdue, j.freshWant = 0, 0
	}
	switch {
	case reason == ReasonWorkerStuck:
		j.freshWant = j.rise * j.workers
	case kind == Fresh:
		j.freshWant = max(j.freshWant, j.rise)
	}
}
