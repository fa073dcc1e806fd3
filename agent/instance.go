package agent

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/flush"
	"memvip/health"
)

const (
	// drainPatience is how long a takeover waits for connections of an earlier service to be gone from
	// the process. It is bounded by the lease that was won meanwhile, so it is worth little more.
	drainPatience = time.Second
	// checkTimeout bounds the whole check before an address goes up.
	checkTimeout = 2 * time.Second
	// restartTimeout bounds the operator's restart_command.
	restartTimeout = 30 * time.Second
	// inspectRetry is the pause before the figures of an instance are asked for again.
	inspectRetry = 250 * time.Millisecond
	// watchRetry is the pause before a wait for quiet that failed begins again.
	watchRetry = 500 * time.Millisecond
)

// instances holds the conversations with this node's memcacheds. Its methods but finish and the health
// callbacks belong to the loop's goroutine, and none of them waits: each conversation is a goroutine.
type instances struct {
	shared
	port    instancePort
	all     map[string]*instance
	running *crew
	ctx     context.Context
	cancel  context.CancelFunc
}

// instance is one memcached.
type instance struct {
	*instances
	name    string // as the machine knows it
	address netip.AddrPort
	command []string // restart_command; nil if there is none

	// reported counts the reports of its health. What was learnt under an earlier one is void.
	reported atomic.Uint64
	figures  atomic.Pointer[flush.Figures] // newest of the present process; nil if unknown
	inspect  lifetime                      // of the inspection under way; belongs to the prober's goroutine

	quiet      atomic.Pointer[flush.Figures] // what the newest watch ended with; nil before
	restarting atomic.Bool

	// The rest belongs to the loop's goroutine.
	watched  uint64 // counts watches; what is heard of an earlier one is void
	watching lifetime
}

// lifetime ends one conversation; its zero value does nothing.
type lifetime struct{ cancel context.CancelFunc }

func (l *lifetime) end() {
	if l.cancel != nil {
		l.cancel()
	}
}

// begin ends the former conversation and returns the next one's context.
func (l *lifetime) begin(parent context.Context) context.Context {
	l.end()
	ctx, cancel := context.WithCancel(parent)
	l.cancel = cancel
	return ctx
}

// instanceConfig is where a memcached is and how it is restarted.
type instanceConfig struct {
	address netip.AddrPort
	command []string
}

func newInstances(s shared, port instancePort, configured map[string]instanceConfig) *instances {
	all := &instances{shared: s, port: port, all: map[string]*instance{}, running: newCrew(s.failed)}
	all.ctx, all.cancel = context.WithCancel(context.Background())
	for name, c := range configured {
		all.all[name] = &instance{instances: all, name: name, address: c.address, command: c.command}
	}
	return all
}

// finish breaks off what is under way and waits for it.
func (s *instances) finish() {
	s.cancel()
	s.running.wait()
}

// health takes a prober's report, on the prober's goroutine. A death goes straight to the machine.
func (in *instance) health(r health.Report) {
	number := in.reported.Add(1)
	if !r.Up {
		in.queue.put(core.InstanceWentDown{Instance: in.name, Reason: r.Reason.String()})
		in.inspect.end()
		in.figures.Store(nil)
		return
	}
	ctx := in.inspect.begin(in.ctx)
	in.running.start(func() { in.introduce(ctx, number, note(r.Reason)) })
}

// note says in a word what limits an instance that is up.
func note(r health.Reason) string {
	if r == health.ReasonNone {
		return ""
	}
	return r.String()
}

// introduce tells the machine that the instance is up, as soon as its figures are known, or that they
// cannot be had. It goes on until it has them, or the health changes.
func (in *instance) introduce(ctx context.Context, number uint64, note string) {
	current := func() bool { return in.reported.Load() == number }
	told := false
	for ctx.Err() == nil {
		figures, err := in.port.Inspect(ctx, in.address)
		if err == nil {
			if current() {
				in.figures.Store(&figures)
			}
			in.queue.putIf(in.up(figures, note), current)
			return
		}
		if up, ok := in.upWithout(err, note); ok && !told {
			told = true
			in.queue.putIf(up, current)
		}
		if reasonOf(err) != flush.ReasonStopped {
			in.diary.trouble(logrus.Fields{fieldInstance: in.name}, "figures not read", err)
		}
		pause(ctx, inspectRetry)
	}
}

// up is what figures say to the machine.
func (in *instance) up(f flush.Figures, note string) core.InstanceUp {
	ev := core.InstanceUp{Instance: in.name, Figures: proofOf(f), Note: note}
	if !f.FlushEnabled {
		ev.Unprovable = "flush_all is switched off (-F)"
	}
	return ev
}

// upWithout is what the machine is told of a live instance whose figures cannot be had: those that were
// read earlier in the life of the same process still name it, but no longer say that it is empty.
func (in *instance) upWithout(err error, note string) (ev core.InstanceUp, ok bool) {
	if known := in.figures.Load(); known != nil {
		ev = in.up(*known, note)
		ev.Figures.Restart = false
	} else {
		ev = core.InstanceUp{Instance: in.name, Note: note}
	}
	switch reasonOf(err) {
	case flush.ReasonLogin:
		ev.Unprovable = "memcached wants a login"
		return ev, true
	case flush.ReasonFull:
		if ev.Figures == (core.Proof{}) {
			ev.Unprovable = "memcached has no connection left to be asked for its figures"
		}
		return ev, true
	default:
		return core.InstanceUp{}, false
	}
}

// check looks at an instance right before an address goes up. It runs beside whatever else is asked.
func (s *instances) check(e core.CheckInstance) {
	in := s.all[e.Instance]
	answer := core.InstanceChecked{Instance: e.Instance, Name: e.Name, Term: e.Term}
	if in == nil {
		answer.Reason = "no such instance here"
		s.running.start(func() { s.queue.put(answer) })
		return
	}
	s.running.start(func() {
		ctx, cancel := context.WithTimeout(s.ctx, checkTimeout)
		defer cancel()
		if err := in.asProved(ctx, e); err != nil {
			answer.Reason, answer.Void = why(err), voids(reasonOf(err))
		}
		s.queue.put(answer)
	})
}

// asProved compares the figures last, so that what a leftover connection still did is seen in them.
func (in *instance) asProved(ctx context.Context, e core.CheckInstance) error {
	if len(e.Drained) > 0 {
		if err := in.port.Drained(ctx, in.address, addressesOf(e.Drained), drainPatience); err != nil {
			return err
		}
	}
	if e.Proof == (core.Proof{}) {
		return nil
	}
	return in.port.Verify(ctx, in.address, certificateOf(e.Proof), e.Serving)
}

// watch waits for quiet until it comes or the machine has no more use for it.
func (s *instances) watch(e core.WatchQuiet) {
	in := s.all[e.Instance]
	if in == nil {
		return
	}
	in.watched++
	number := in.watched
	current := func() bool { return in.watched == number }
	ctx := in.watching.begin(s.ctx)
	s.running.start(func() { in.untilQuiet(ctx, current) })
}

// stopWatch ends a watch; what it still has to say is void.
func (s *instances) stopWatch(e core.StopWatch) {
	if in := s.all[e.Instance]; in != nil {
		in.watched++
		in.watching.end()
	}
}

// untilQuiet may ask current only in what the loop evaluates.
func (in *instance) untilQuiet(ctx context.Context, current func() bool) {
	busy := func(detail string) {
		in.queue.putIf(core.InstanceBusy{Instance: in.name, Detail: detail}, current)
	}
	for ctx.Err() == nil {
		figures, err := in.port.WatchQuiet(ctx, in.address, flush.QuietOptions{Unquiet: busy})
		if err == nil {
			// An older watch's figures would do as well: Prove compares with what is there.
			in.quiet.Store(&figures)
			in.queue.putIf(core.InstanceQuiet{Instance: in.name}, current)
			return
		}
		if ctx.Err() == nil {
			busy(why(err))
		}
		pause(ctx, watchRetry)
	}
}

// flush flushes and proves, from the quiet that the machine was told of.
func (s *instances) flush(e core.FlushInstance) {
	in := s.all[e.Instance]
	failed := func(reason string) {
		s.queue.put(core.FlushFailed{Instance: e.Instance, Attempt: e.Attempt, Reason: reason})
	}
	s.running.start(func() {
		if in == nil {
			failed("no such instance here")
			return
		}
		quiet := in.quiet.Load()
		if quiet == nil {
			failed("it was not seen quiet")
			return
		}
		proof, err := in.port.Prove(s.ctx, in.address, addressesOf(e.Drained), *quiet)
		if err != nil {
			failed(why(err))
			return
		}
		s.queue.put(core.FlushDone{Instance: e.Instance, Attempt: e.Attempt, Proof: proofOfCertificate(proof)})
	})
}

// restart runs the operator's command. What came of it is seen by the prober; a failure is for people.
func (s *instances) restart(e core.RestartInstance) {
	in := s.all[e.Instance]
	if in == nil || !in.restarting.CompareAndSwap(false, true) {
		return
	}
	s.running.start(func() {
		defer in.restarting.Store(false)
		begun := time.Now()
		ctx, cancel := context.WithTimeout(s.ctx, restartTimeout)
		defer cancel()
		fields := logrus.Fields{fieldInstance: in.name}
		if err := in.port.Restart(ctx, in.command); err != nil {
			s.diary.trouble(fields, "restart command failed", err)
			return
		}
		fields[fieldTook] = time.Since(begun).Milliseconds()
		s.diary.change(fields, "restart command done")
	})
}

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reasonOf returns the closed reason of an error of the package flush; ReasonTimeout for any other.
func reasonOf(err error) flush.Reason {
	if refusal, ok := errors.AsType[*flush.Refusal](err); ok {
		return refusal.Reason
	}
	return flush.ReasonTimeout
}

// why puts an error of the package flush into words that fit beside the instance's name.
func why(err error) string {
	if refusal, ok := errors.AsType[*flush.Refusal](err); ok {
		return refusal.Reason.String() + ": " + refusal.Detail
	}
	return err.Error()
}

// voids reports whether a reason means that the figures are no longer those of the proof.
func voids(r flush.Reason) bool {
	switch r {
	case flush.ReasonRestarted, flush.ReasonFlushedAgain, flush.ReasonItemsChanged, flush.ReasonDelayedFlush,
		flush.ReasonNotEmpty, flush.ReasonMemoryKept:
		return true
	case flush.ReasonStopped, flush.ReasonTimeout, flush.ReasonUnreachable, flush.ReasonFull, flush.ReasonLogin,
		flush.ReasonFlushRefused, flush.ReasonBadReply, flush.ReasonUnquiet, flush.ReasonConnectionsLeft,
		flush.ReasonUnseen, flush.ReasonRestartFailed:
		return false
	}
	return false
}
