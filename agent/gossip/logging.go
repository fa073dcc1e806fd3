package gossip

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	logBacklog = 64               // lines that wait to be written
	logBurst   = 5                // complaints written at once
	logEvery   = 10 * time.Second // and one more after each of these
)

// logAdapter takes memberlist's log. memberlist writes under its locks and once per bad packet, so
// lines are handed to a goroutine of their own, and of its complaints only a few are written; the
// next one tells how many were not.
type logAdapter struct {
	log        logrus.FieldLogger
	lines      chan string
	suppressed *atomic.Uint64
}

func newLogAdapter(log logrus.FieldLogger, suppressed *atomic.Uint64) *logAdapter {
	return &logAdapter{log: log, lines: make(chan string, logBacklog), suppressed: suppressed}
}

// Write takes one line. It never fails and never waits.
func (a *logAdapter) Write(p []byte) (int, error) {
	select {
	case a.lines <- string(p):
	default:
		a.suppressed.Add(1)
	}
	return len(p), nil
}

// run writes lines until ctx ends.
func (a *logAdapter) run(ctx context.Context) {
	var limit logLimit
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-a.lines:
			a.write(line, &limit, time.Now())
		}
	}
}

// write sorts one line. What memberlist notices in the course of things is for debugging; its
// warnings and errors alike are complaints.
func (a *logAdapter) write(line string, limit *logLimit, now time.Time) {
	level, text, _ := strings.Cut(strings.TrimSpace(line), " ")
	entry := a.log.WithField("detail", strings.TrimPrefix(text, "memberlist: "))
	switch level {
	case "[DEBUG]", "[INFO]":
		entry.Debug("memberlist noted")
	default:
		if !limit.allow(now) {
			a.suppressed.Add(1)
			return
		}
		if n := a.suppressed.Load(); n > 0 {
			entry = entry.WithField("suppressed", n)
		}
		entry.Warn("memberlist complained")
	}
}

// logLimit is a bucket of logBurst that gains one every logEvery.
type logLimit struct {
	used int
	from time.Time // since when used counts
}

func (l *logLimit) allow(now time.Time) bool {
	gained := int(now.Sub(l.from) / logEvery)
	if l.from.IsZero() || gained >= l.used {
		l.used, l.from = 0, now
	} else {
		l.used -= gained
		l.from = l.from.Add(time.Duration(gained) * logEvery)
	}
	if l.used == logBurst {
		return false
	}
	l.used++
	return true
}
