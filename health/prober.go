package health

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"
)

// The pace after a down: a restarted server is found soon, a dead one costs little.
const (
	quickInterval = 20 * time.Millisecond
	quickFor      = 3 * time.Second
)

// When an answer is not there yet, /proc tells whether the process is dying. That is what notices the death of a big
// instance without the process connector, and confirms what the connector's first sign may mean.
const (
	lookFirst = 5 * time.Millisecond
	lookAgain = 20 * time.Millisecond
)

// Options say what to probe and how. All durations and counts are required, and above zero. A frozen instance is down after
// Deadline × Fall, at most one Interval later; a death is seen at once.
type Options struct {
	Address  netip.AddrPort // of the instance, over TCP
	Interval time.Duration  // between two questions on the kept-open connection
	// Deadline is for an answer, the connect included. A healthy server was seen to need 50 to 80 ms when the cores were taken.
	Deadline      time.Duration
	Fall          int           // failures in a row that mean down
	Rise          int           // answers in a row that mean up after a down
	FreshInterval time.Duration // between two fresh connections, as long as they are answered; each meets another worker

	// Serving, if not nil, says whether clients are served by the instance now. While they are not, nothing is wrong and the
	// connector watches the process, questions come at IdleInterval, and fresh connections are as much seldomer. When it
	// begins to be true Hurry is to be called.
	Serving func() bool
	// Connector, if not nil, tells of the process's end. Several probers may share one. It must outlive Run.
	Connector *Connector
	// Report is called for every change, in order, from within Run. It must not block. It must not be nil.
	Report func(Report)
	// Observed, if not nil, is called for every observation, likewise.
	Observed func(Observation)
}

// Report is one change. Two reports in a row may both be up, or both down: then the reason is what changed.
type Report struct {
	Up     bool
	Reason Reason // for up a note or ReasonNone, for down the cause
	// PID is the process that is up, or was. It is numbered as in /proc here where that can be found out, else as the
	// process itself says; 0 if neither is known.
	PID int
	// Began is when that process began, by CLOCK_BOOTTIME and never too late; 0 if it is not known.
	Began  time.Duration
	At     time.Time // when it happened, as close as it can be told: the kernel's time of an exit, else of the decision
	Detail string    // for people: what was seen last
}

// Prober probes one instance.
type Prober struct {
	options Options
	watched atomic.Bool // the connector watches the present process
	hurry   chan struct{}
}

// New returns a prober that does nothing until Run.
func New(o Options) *Prober {
	return &Prober{options: o, hurry: make(chan struct{}, 1)}
}

// idleShare is how many times as long the pauses are while nobody is served.
const idleShare = 4

// IdleInterval is the time between two questions to an instance that is up and serves nobody: a hang of it costs nothing yet,
// its end is told by the kernel, and it is looked at once more before an address goes up. To make it
// longer than that between fresh connections would save nothing.
func IdleInterval(interval, fresh time.Duration) time.Duration {
	return max(interval, min(idleShare*interval, fresh))
}

// The answers of Source.
const (
	SourceConnector  = "process connector"
	SourceConnection = "end of connection"
)

// Source says what would tell of the instance's death first: SourceConnector or SourceConnection. It may be called at
// any time.
func (p *Prober) Source() string {
	if c := p.options.Connector; c != nil && p.watched.Load() && c.delivers() {
		return SourceConnector
	}
	return SourceConnection
}

// Hurry tells that Serving has become true: the next question does not wait for the end of a long pause. It may be called at
// any time, and never waits.
func (p *Prober) Hurry() {
	select {
	case p.hurry <- struct{}{}:
	default: // told, and not taken up yet
	}
}

// Run probes until ctx ends. When it has returned, nothing of it runs any more and Report is not called again. A Prober
// runs once at a time.
func (p *Prober) Run(ctx context.Context) {
	l := newLoop(p)
	l.run(ctx)
}
