package health

import (
	"runtime"
	"time"
)

// meet learns who answers. If that is another process than before and nobody noticed the old one's end, it is told now:
// a restart is never missed, however fast it was.
func (l *loop) meet(who identity, now time.Time) {
	before := l.who
	if l.judge.Verdict().State == Up && !before.same(who) {
		l.detail = "another process answers"
		l.observe(Observation{Kind: Process, Outcome: Replaced, At: now})
	}
	l.who, l.ended, l.suspected = who, false, false
	if who.workers > 0 {
		l.judge.SetWorkers(who.workers)
	}
	if l.stopWatch == nil || before.pid != who.pid || before.started != who.started {
		l.watch()
	}
}

func (l *loop) watch() {
	l.unwatch()
	if l.Connector == nil || l.who.pid == 0 {
		return
	}
	l.stopWatch = l.Connector.Watch(l.who.pid, l.notices.put)
	l.watched.Store(true)
}

// watching tells whether the process's end would be told.
func (l *loop) watching() bool { return l.stopWatch != nil && l.Connector.delivers() }

func (l *loop) unwatch() {
	if l.stopWatch != nil {
		l.stopWatch()
		l.stopWatch = nil
	}
	l.watched.Store(false)
}

// handleExits takes what the connector told.
func (l *loop) handleExits() {
	for _, e := range l.notices.take() {
		if l.stopWatch == nil || e.PID != l.who.pid {
			continue // of a process that was given up since
		}
		switch e.Kind {
		case ExitProcess:
			l.processEnded(e.At, "process exited")
		case ExitThread, ExitMissed:
			l.suspect(e)
		}
	}
}

// gone tells whether the process that answered last ended since. Once that was told it is of no interest any more.
func (l *loop) gone() bool { return !l.ended && l.who.gone() }

// suspect decides at once if the process is seen to be ending. If not, a question is sent, and while it has no answer
// the process is looked at again and again. So a thread that ends by command costs one question.
func (l *loop) suspect(e Exit) {
	if l.gone() {
		l.processEnded(e.At, "process is ending: "+e.Kind.String()+" exit")
		return
	}
	l.suspected = true
	now := time.Now()
	if l.asked.IsZero() {
		l.next = now
	} else {
		l.lookAt = now
	}
}

// processEnded goes down at once, and says so before it clears up. The dying process may hold its sockets open for long,
// so the connection is given up and a new one tried, which ends or is refused when the sockets are closed.
func (l *loop) processEnded(at time.Time, detail string) {
	l.detail = detail
	l.ended = true
	l.observe(Observation{Kind: Process, Outcome: Exited, At: at})
	runtime.Gosched() // whoever was told has more to do, and it is urgent
	l.unwatch()
	l.endSession()
}
