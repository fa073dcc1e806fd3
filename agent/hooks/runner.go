package hooks

import (
	"errors"
	"slices"
	"sync"
	"time"

	"memvip/agent/history"
	"memvip/configs"
)

// runningMax hooks are run at once at most, so that a host which takes over many VIPs does not also start a crowd of
// processes.
const runningMax = 16

// Site is what a hook is told of a VIP beside the event.
type Site struct {
	Home      string
	Interface string
}

// Options say what is run, and on which node.
type Options struct {
	Node     string
	Cluster  string
	Sites    map[string]Site // by the VIP's address
	Commands configs.Hooks
}

// Report is told what became of a hook.
type Report struct {
	// Ended is called when a hook has run, or could not be. It is called from a goroutine of the Runner's.
	Ended func(Outcome)
	// Dropped is called when an event has no hook run for it, from whichever goroutine it happens on.
	Dropped func(Event)
}

// Outcome is how the run of a hook ended.
type Outcome struct {
	Event    Event
	Took     time.Duration
	Code     int    // its exit code; 128 and the signal's number for one that was killed, -1 for one that never ran
	TimedOut bool   // it was killed for its timeout
	Err      error  // nil if it reported success
	Output   string // the end of what it wrote, a KiB at most; it may hold control characters
}

// Runner runs hooks. Its methods may be called from any goroutine.
type Runner struct {
	report Report

	// burial is held for reading from when an exit status is taken until that is told, and held for good by Leave: a
	// process that somebody else is to go on with must not be buried, and one that was buried is nobody else's.
	burial sync.RWMutex

	mu      sync.Mutex // never held while anything waits
	options Options
	teller  *teller
	lanes   map[string]*lane
	ready   []*lane // with events and not busy, in their order
	running map[*run]struct{}
	counts  Snapshot
	held    bool          // nothing is begun: it is not configured yet, or another program is about to take over
	left    []int         // file descriptors that Leave made
	closed  bool          // nothing is taken any more
	idle    chan struct{} // closed once nothing waits or runs after closed
	giveUp  chan struct{} // closed when hooks that still run are to be killed
	ended   sync.WaitGroup
	closing sync.Once
}

// run is one run of a hook, with a process once it is started.
type run struct {
	event    Event
	argv     []string
	lane     *lane
	begun    time.Time
	deadline time.Time
	process  *process
}

// New returns a runner that has nothing to run. The caller closes it.
func New(report Report) *Runner {
	return &Runner{
		report: report, held: true, teller: newTeller(), lanes: map[string]*lane{}, running: map[*run]struct{}{},
		idle: make(chan struct{}), giveUp: make(chan struct{}),
	}
}

// Configure has it run other commands from now on, those for events that already wait among them. A life of the agent
// begins with it.
func (r *Runner) Configure(o Options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options, r.teller, r.held = o, newTeller(), false
	r.dispatch()
}

// Notice takes an entry of the history, and has the hook run that is for it. It never waits for a hook.
func (r *Runner) Notice(e history.Entry) {
	r.mu.Lock()
	dropped, full := r.notice(e)
	r.mu.Unlock()
	if full {
		r.report.Dropped(dropped)
	}
}

func (r *Runner) notice(e history.Entry) (dropped Event, full bool) {
	event, ok := r.teller.tell(e)
	if !ok || r.command(event.Kind) == nil {
		return Event{}, false
	}
	site := r.options.Sites[event.VIP]
	event.Node, event.Cluster, event.Home, event.Interface = r.options.Node, r.options.Cluster, site.Home, site.Interface
	if r.closed {
		r.counts.of(event.Kind).Dropped++
		return event, true
	}
	return r.enqueue(event)
}

// enqueue adds an event to its lane. mu is held.
func (r *Runner) enqueue(e Event) (dropped Event, full bool) {
	l := r.lane(e.VIP)
	if len(l.waiting) == 0 && !l.busy {
		r.ready = append(r.ready, l)
	}
	if dropped, full = l.put(e); full {
		r.counts.of(dropped.Kind).Dropped++
	}
	r.dispatch()
	return dropped, full
}

// lane returns the lane of a VIP. mu is held.
func (r *Runner) lane(vip string) *lane {
	l := r.lanes[vip]
	if l == nil {
		l = &lane{}
		r.lanes[vip] = l
	}
	return l
}

// dispatch begins as many runs as there is room for. mu is held.
func (r *Runner) dispatch() {
	for !r.held && len(r.running) < runningMax && len(r.ready) > 0 {
		l := r.ready[0]
		r.ready = r.ready[1:]
		e, now := l.take(), time.Now()
		x := &run{event: e, argv: r.command(e.Kind), lane: l, begun: now, deadline: now.Add(r.options.Commands.Timeout)}
		switch {
		case x.argv != nil:
			r.begin(x, func() { r.execute(x) })
		case len(l.waiting) > 0: // the configuration has changed while it waited: there is no such hook any more
			r.ready = append(r.ready, l)
		}
	}
}

// begin has a run take up its lane until it has ended, as work sees to. mu is held.
func (r *Runner) begin(x *run, work func()) {
	x.lane.busy = true
	r.running[x] = struct{}{}
	r.ended.Go(work)
}

// end lets the next run begin, and tells what became of this one. Without an outcome its event waits anew.
func (r *Runner) end(x *run, o *Outcome) {
	if o != nil {
		o.Event, o.Took = x.event, time.Since(x.begun)
	}
	r.account(x, o)
	if o != nil {
		r.report.Ended(*o)
	}
}

func (r *Runner) account(x *run, o *Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, x)
	if o == nil {
		x.lane.waiting = slices.Insert(x.lane.waiting, 0, x.event)
	} else {
		r.counts.of(x.event.Kind).count(o)
	}
	if x.lane.busy = false; len(x.lane.waiting) > 0 {
		r.ready = append(r.ready, x.lane)
	}
	r.dispatch()
	r.tellIdle()
}

// command returns what is run for a kind; nil: nothing. mu is held.
func (r *Runner) command(k Kind) []string {
	switch k {
	case Claim:
		return r.options.Commands.Claim
	case Release:
		return r.options.Commands.Release
	case Refusal:
		return r.options.Commands.Refusal
	case Conflict:
		return r.options.Commands.Conflict
	}
	return nil
}

// execute runs the hook of an event.
func (r *Runner) execute(x *run) {
	p, err := start(x.argv, environment(x.event))
	switch {
	case err != nil:
		r.end(x, &Outcome{Code: -1, Err: err})
	case !r.started(x, p):
		r.takeBack(x, p)
	default:
		r.supervise(x)
	}
}

// started notes the process of a run. It is false where another program takes over, which has been told that this event
// still waits.
func (r *Runner) started(x *run, p *process) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held {
		return false
	}
	x.process = p
	return true
}

// takeBack ends a hook that has just begun and should not have. Should this program go on after all, it is run anew.
func (r *Runner) takeBack(x *run, p *process) {
	p.kill()
	<-p.exited
	r.burial.RLock()
	defer r.burial.RUnlock()
	_, _ = p.bury()
	p.close()
	r.end(x, nil)
}

// supervise waits for a hook, and kills it when its time is over.
func (r *Runner) supervise(x *run) {
	p, o := x.process, &Outcome{}
	timeout := time.NewTimer(time.Until(x.deadline))
	defer timeout.Stop()
	select {
	case <-p.exited:
	case <-timeout.C:
		o.TimedOut = true
		p.kill()
	case <-r.giveUp:
		p.kill()
	}
	<-p.exited
	r.burial.RLock()
	defer r.burial.RUnlock()
	status, err := p.bury()
	o.Output = p.close()
	var words string
	switch o.Code, words = ending(status); {
	case err != nil:
		o.Err = err
	case o.TimedOut:
		o.Err = errTimeout
	case words != "":
		o.Err = errors.New(words)
	}
	r.end(x, o)
}

var errTimeout = errors.New("killed: its time was over")
