package agent

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
)

// repeatMax lines that say the same are written within repeatWindow; more are only counted. A VIP that
// moves twice in a row is worth its lines, a node that asks in vain all day is not.
const (
	repeatMax    = 4
	repeatWindow = 10 * time.Second
)

// diaryLinesMax bounds how many different lines are remembered for that.
const diaryLinesMax = 1024

// diary writes what changed into the log. What repeats itself too often is counted, and the count said
// with the next line. It may be used from any goroutine.
type diary struct {
	log *logrus.Logger
	now func() time.Time

	repeats atomic.Uint64 // lines only counted

	mu   sync.Mutex
	said map[string]*said
}

// said is one line that was written.
type said struct {
	since    time.Time // begin of the window
	lines    int       // written in the window
	repeated int       // only counted in it
}

func newDiary(log *logrus.Logger) *diary {
	if log == nil {
		log = logrus.New()
		log.SetOutput(io.Discard)
	}
	return &diary{log: log, now: time.Now, said: map[string]*said{}}
}

// transition writes a change that the machine reported at a time.
func (d *diary) transition(t core.Transition, at time.Time) {
	fields := logrus.Fields{fieldFrom: t.From, fieldTo: t.To, fieldCause: string(t.Cause)}
	put := func(field, value string) {
		if value != "" {
			fields[field] = value
		}
	}
	put(fieldVIP, string(t.Name))
	put(fieldInstance, t.Instance)
	put(fieldPeer, t.Peer)
	put(fieldDetail, t.Detail)
	key := fmt.Sprint(fields) // before what differs each time
	if t.Term.Known() {
		fields[fieldTerm] = t.Term.String()
	}
	if t.Since > 0 {
		fields[fieldSince] = t.Since.Milliseconds()
	}
	level := logrus.InfoLevel
	if isConflict(t) || isRefusal(t) {
		level = logrus.WarnLevel
	}
	d.write(at, level, key, fields, transitionMessage(t))
}

// isConflict reports whether a transition is none of a role: somebody else said something.
func isConflict(t core.Transition) bool {
	return (t.Cause == core.CauseForeignHost || t.Cause == core.CauseMemberConflict) && !isRefusal(t)
}

// isRefusal reports whether a transition is none of a role: it says why there is none.
func isRefusal(t core.Transition) bool { return t.To == core.RefusalWord }

func transitionMessage(t core.Transition) string {
	switch {
	case isConflict(t):
		return "somebody else claims the address"
	case isRefusal(t):
		return "VIP not taken, though it should be"
	case t.Instance != "":
		return "memcached changed"
	case t.Name != "":
		return "role changed"
	}
	return "node changed"
}

// change writes a change that is not the machine's. fields may be nil.
func (d *diary) change(fields logrus.Fields, message string) {
	if fields == nil {
		fields = logrus.Fields{}
	}
	d.write(d.now(), logrus.InfoLevel, message+fmt.Sprint(fields), fields, message)
}

// trouble writes what went wrong without being a change of state. err may be nil.
func (d *diary) trouble(fields logrus.Fields, message string, err error) {
	if err != nil {
		fields[fieldError] = err.Error()
	}
	d.write(d.now(), logrus.WarnLevel, message+fmt.Sprint(fields), fields, message)
}

// fault writes what ends the agent.
func (d *diary) fault(err error, stack []byte) {
	fields := logrus.Fields{fieldError: err.Error()}
	if len(stack) > 0 {
		fields[fieldStack] = string(stack)
	}
	d.write(d.now(), logrus.ErrorLevel, err.Error(), fields, "agent fails")
}

func (d *diary) write(at time.Time, level logrus.Level, key string, fields logrus.Fields, message string) {
	repeated, due := d.due(key)
	if !due {
		return
	}
	if repeated > 0 {
		fields[fieldRepeated] = repeated
	}
	d.log.WithFields(fields).WithTime(at).Log(level, message)
}

// due reports whether the line is to be written, and how often it was only counted before.
func (d *diary) due(key string) (repeated int, due bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	s := d.said[key]
	if s == nil {
		if len(d.said) >= diaryLinesMax {
			clear(d.said) // a line too many is better than a list without end
		}
		s = &said{since: now}
		d.said[key] = s
	}
	if now.Sub(s.since) >= repeatWindow {
		repeated = s.repeated
		*s = said{since: now}
	}
	if s.lines >= repeatMax {
		s.repeated++
		d.repeats.Add(1)
		return 0, false
	}
	s.lines++
	return repeated, true
}
