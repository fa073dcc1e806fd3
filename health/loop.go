package health

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"memvip/agent/nowait"
)

// loop is one Run. Its goroutine owns all fields; the goroutines it starts tell it events.
type loop struct {
	Options
	ctx     context.Context
	watched *atomic.Bool
	hurry   <-chan struct{}
	judge   *Judge
	events  chan event
	notices *notices
	wg      sync.WaitGroup
	lastID  int

	kept     *session // nil between two attempts
	answered bool     // kept was answered at least once
	hungUp   bool     // kept's connection ended while a question was out

	connected time.Time // of the latest attempt to connect
	asked     time.Time // when the question that is out was sent; zero if none is
	window    time.Time // Invariant: zero if asked is. When the question is overdue, again.
	lookAt    time.Time // Invariant: zero if asked is. When to look at the process.
	next      time.Time // of the next question, or the next attempt to connect

	fresh     map[int]*freshProbe
	nextFresh time.Time

	who       identity
	ended     bool      // Invariant: only while the verdict is Down. who's process is known to be gone.
	stopWatch func()    // nil if who's process is not watched
	suspected bool      // one of its threads ended, or an exit may have been missed, and no answer came since
	quickEnd  time.Time // until when questions follow each other quickly
	detail    string
}

func newLoop(p *Prober) *loop {
	return &loop{
		Options: p.options,
		watched: &p.watched,
		hurry:   p.hurry,
		judge:   NewJudge(p.options.Fall, p.options.Rise),
		events:  make(chan event),
		notices: newNotices(),
		fresh:   make(map[int]*freshProbe),
	}
}

func (l *loop) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	l.ctx = ctx
	defer l.wg.Wait()
	defer l.unwatch()
	defer cancel()
	l.nextFresh = time.Now().Add(l.FreshInterval)
	timer := nowait.NewTimer()
	defer timer.Stop()
	timer.Reset(0)
	var armed time.Time // what timer waits for
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-l.events:
			l.handle(ev)
		case <-l.notices.wake:
			l.handleExits()
		case <-l.hurry:
			l.hasten(time.Now())
		case <-timer.C:
			armed = time.Time{}
			l.drain()
			l.due(time.Now())
		}
		// To set a timer is a system call, so one that is right is left as it is.
		now := time.Now()
		if at := l.wake(now); !at.Equal(armed) {
			armed = at
			timer.Reset(at.Sub(now))
		}
	}
}

// drain takes what is already there before time is called: an answer that waited for this goroutine is not late.
func (l *loop) drain() {
	for {
		select {
		case ev := <-l.events:
			l.handle(ev)
		default:
			return
		}
	}
}

// wake returns when due has something to do next, or would have if an answer that is awaited came before.
func (l *loop) wake(now time.Time) time.Time {
	at := l.nextFresh
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	if l.asked.IsZero() || now.Before(l.next) {
		earlier(l.next)
	}
	earlier(l.window)
	earlier(l.lookAt)
	for _, f := range l.fresh {
		earlier(f.deadline)
	}
	return at
}

// due does what the clock asks for.
func (l *loop) due(now time.Time) {
	if l.asked.IsZero() && !now.Before(l.next) {
		l.ask(now)
	}
	if !l.lookAt.IsZero() && !now.Before(l.lookAt) {
		l.lookAt = now.Add(lookAgain)
		if l.gone() {
			l.processEnded(now, "process is ending")
		}
	}
	if !l.window.IsZero() && !now.Before(l.window) {
		l.window = now.Add(max(l.Interval, l.Deadline))
		l.overdue(now)
	}
	l.dueFresh(now)
}

// overdue counts a question that is not answered, unless it was and this side is at work on the answer.
func (l *loop) overdue(now time.Time) {
	if l.kept.ours.Load() {
		return
	}
	l.detail = fmt.Sprintf("no answer for %d ms", now.Sub(l.asked).Milliseconds())
	l.observe(Observation{Kind: KeptOpen, Outcome: TimedOut, Sent: l.asked, At: now})
}

// ask sends the next question, on a new connection if there is none.
func (l *loop) ask(now time.Time) {
	if l.kept == nil {
		l.lastID++
		l.answered, l.hungUp = false, false
		l.connected = now
		l.kept = startSession(l.ctx, &l.wg, l.lastID, l.Address, l.events)
	} else {
		l.kept.ask()
	}
	l.asked, l.window, l.lookAt = now, now.Add(l.Deadline), now.Add(l.untilLook())
	l.next = inStep(now, l.pace(now))
}

// firstBeat is where beats are counted from, by every prober of the process.
var firstBeat = time.Now()

// inStep is the next beat of a pace. All that go at one pace act at the same moments, so that an idle process with many
// instances wakes up once for all of them.
func inStep(now time.Time, pace time.Duration) time.Time {
	return firstBeat.Add(now.Sub(firstBeat).Truncate(pace) + pace)
}

// untilLook is how long an answer may take before the process is looked at. The end of one that the connector watches is
// told, and a healthy server on a busy host often takes longer than lookFirst.
func (l *loop) untilLook() time.Duration {
	if l.watching() && !l.suspected {
		return l.Deadline
	}
	return lookFirst
}

// pace is the time from one question to the next.
func (l *loop) pace(now time.Time) time.Duration {
	if now.Before(l.quickEnd) {
		return min(quickInterval, l.Interval)
	}
	if l.idle() {
		return IdleInterval(l.Interval, l.FreshInterval)
	}
	return l.Interval
}

// idle reports whether nothing would be lost for now if the instance hung, and nothing says that it does. Without the
// connector questions are what notices the death of a big one.
func (l *loop) idle() bool {
	return l.Serving != nil && !l.Serving() && l.watching() && !l.suspected && !l.judge.Doubts()
}

// hasten ends a pause that was meant for an instance which served nobody.
func (l *loop) hasten(now time.Time) {
	l.next = earliest(l.next, inStep(now, l.pace(now)))
	l.nextFresh = earliest(l.nextFresh, inStep(now, l.freshPace()))
}

func (l *loop) handle(ev event) {
	if ev.what == freshDone {
		l.freshDone(ev)
		return
	}
	if l.kept == nil || ev.id != l.kept.id {
		return // of a session that was ended
	}
	switch ev.what {
	case opened:
		l.opened(ev)
	case answered:
		l.conclude(ev)
	case hungUp:
		// The answer to a question that is out may stand before the end: it is what counts, and comes at once.
		l.hungUp = true
		if l.asked.IsZero() {
			l.lostSession(ev.at, "connection ended")
		}
	case freshDone:
	}
}

// opened takes the outcome of an attempt to connect. Who answers comes first, for the verdict that follows is on them.
func (l *loop) opened(ev event) {
	if classify(ev.err).alive() {
		l.meet(ev.who, ev.at)
	}
	l.conclude(ev)
	if l.stopWatch != nil && l.kept != nil {
		// Ask again at once: an answer shows that the process was alive when the watch had begun.
		l.next = ev.at
	}
}

// conclude takes the outcome of the question that was out.
func (l *loop) conclude(ev event) {
	l.asked, l.window, l.lookAt = time.Time{}, time.Time{}, time.Time{}
	outcome := classify(ev.err)
	if ev.err != nil {
		l.detail = ev.err.Error()
	}
	if outcome.alive() {
		l.suspected = false
	}
	if outcome == Ended && l.answered {
		l.lostSession(ev.at, l.detail)
		return
	}
	if outcome != Answered && outcome != AnsweredLogin {
		l.endSession()
		l.next = ev.at.Add(l.retry(outcome, ev.at))
	}
	l.answered = true
	l.observe(Observation{Kind: KeptOpen, Outcome: outcome, Sent: ev.sent, At: ev.at})
	if l.hungUp && l.kept != nil {
		l.lostSession(ev.at, "connection ended")
	}
}

// retry is the time until the next attempt to connect. A new connection that ended unanswered may be the last breath of
// a server that shuts down.
func (l *loop) retry(o Outcome, now time.Time) time.Duration {
	if o == Ended {
		return min(quickInterval, l.Interval)
	}
	return l.pace(now)
}

// lostSession takes the end of a connection that had been answered: connect again at once, and be told.
func (l *loop) lostSession(now time.Time, detail string) {
	l.detail = detail
	l.endSession()
	l.observe(Observation{Kind: KeptOpen, Outcome: Lost, At: now})
	if l.gone() {
		l.processEnded(now, "process ended")
		return
	}
	// A server that answers and hangs up, again and again, is not to be asked without a pause.
	l.next = l.connected.Add(min(quickInterval, l.Interval))
	if now = time.Now(); !now.Before(l.next) {
		l.ask(now)
	}
}

func (l *loop) endSession() {
	if l.kept != nil {
		l.kept.end()
	}
	l.kept = nil
	l.asked, l.window, l.lookAt = time.Time{}, time.Time{}, time.Time{}
}

// observe lets the judge decide and reports what changed.
func (l *loop) observe(o Observation) {
	if l.Observed != nil {
		l.Observed(o)
	}
	change := l.judge.Observe(o)
	l.dropSettled()
	if change == NoChange {
		return
	}
	v := l.judge.Verdict()
	if change == WentDown {
		l.quickEnd = time.Now().Add(quickFor)
		l.next = earliest(l.next, time.Now().Add(min(quickInterval, l.Interval)))
		if v.Reason.gone() {
			l.dropAllFresh()
		}
	}
	if change == WentUp {
		l.quickEnd = time.Time{}
	}
	if v.State == Up && v.Reason == ReasonNone {
		l.detail = ""
	}
	l.Report(Report{Up: v.State == Up, Reason: v.Reason, PID: l.who.known(), Began: l.who.began(), At: o.At, Detail: l.detail})
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
