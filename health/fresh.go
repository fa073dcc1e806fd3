package health

import (
	"context"
	"time"
)

// freshProbe is one fresh connection, from the attempt to open it to its answer, its end, or the end of the inquiry.
type freshProbe struct {
	sent     time.Time
	deadline time.Time // zero once it has timed out
	cancel   context.CancelFunc
}

// dueFresh counts the fresh connections that are overdue, and opens the next one.
func (l *loop) dueFresh(now time.Time) {
	for id, f := range l.fresh {
		if f.deadline.IsZero() || now.Before(f.deadline) {
			continue
		}
		f.deadline = time.Time{}
		l.detail = "fresh connections are not answered"
		l.observe(Observation{Kind: Fresh, Outcome: TimedOut, Sent: f.sent, At: now})
		// One that can decide nothing more need not be held open.
		if l.judge.Overdue() > l.Fall {
			l.dropFresh(id)
			l.observe(Observation{Kind: Fresh, Outcome: Settled, Sent: f.sent, At: now})
		}
		l.nextFresh = now
	}
	if now.Before(l.nextFresh) {
		return
	}
	l.nextFresh = inStep(now, l.freshPace())
	// While the kept-open connection has no answer either, a fresh one tells nothing and fills the server's backlog.
	if l.kept != nil && l.answered && (l.asked.IsZero() || now.Sub(l.asked) < l.Deadline) {
		l.askFresh(now)
	}
}

func (l *loop) freshPace() time.Duration {
	if l.judge.Inquiring() {
		return min(l.Interval, l.FreshInterval)
	}
	if l.idle() {
		return idleShare * l.FreshInterval
	}
	return l.FreshInterval
}

func (l *loop) askFresh(now time.Time) {
	l.lastID++
	id := l.lastID
	ctx, cancel := context.WithCancel(l.ctx)
	l.fresh[id] = &freshProbe{sent: now, deadline: now.Add(l.Deadline), cancel: cancel}
	l.wg.Go(func() {
		err := askFresh(ctx, l.Address)
		select {
		case l.events <- event{what: freshDone, id: id, sent: now, at: time.Now(), err: err}:
		case <-ctx.Done():
		}
	})
}

func (l *loop) freshDone(ev event) {
	f, ok := l.fresh[ev.id]
	if !ok {
		return // dropped
	}
	l.dropFresh(ev.id)
	outcome := classify(ev.err)
	if f.deadline.IsZero() {
		outcome = Settled
	}
	if ev.err != nil {
		l.detail = ev.err.Error()
	}
	l.observe(Observation{Kind: Fresh, Outcome: outcome, Sent: ev.sent, At: ev.at})
	if l.judge.Inquiring() {
		l.nextFresh = earliest(l.nextFresh, ev.at.Add(l.freshPace()))
	}
}

// dropSettled ends the fresh connections that the judge counts no more: an inquiry ended, or the process did.
func (l *loop) dropSettled() {
	if l.judge.Overdue() > 0 {
		return
	}
	for id, f := range l.fresh {
		if f.deadline.IsZero() {
			l.dropFresh(id)
		}
	}
}

func (l *loop) dropFresh(id int) {
	if f, ok := l.fresh[id]; ok {
		f.cancel()
		delete(l.fresh, id)
	}
}

func (l *loop) dropAllFresh() {
	for id := range l.fresh {
		l.dropFresh(id)
	}
}
