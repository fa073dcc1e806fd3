package gossip

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// A thousand complaints cost a handful of lines, and the next line tells how many there were.
func TestLogIsNotFlooded(t *testing.T) {
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	var (
		suppressed atomic.Uint64
		limit      logLimit
		start      = time.Unix(1000, 0)
	)
	a := newLogAdapter(logger, &suppressed)
	for i := range 1000 {
		a.write(fmt.Sprintf("[ERR] memberlist: bad packet %d\n", i), &limit, start)
	}
	if got := len(hook.Entries); got != logBurst || suppressed.Load() != 1000-logBurst {
		t.Errorf("%d lines written, %d suppressed; want %d, %d", got, suppressed.Load(), logBurst, 1000-logBurst)
	}
	hook.Reset()
	a.write("[WARN] memberlist: later", &limit, start.Add(logEvery))
	a.write("[WARN] memberlist: too soon after", &limit, start.Add(logEvery))
	want := logrus.Fields{"detail": "later", "suppressed": uint64(1000 - logBurst)}
	if diff := cmp.Diff([]logrus.Fields{want}, fields(hook.AllEntries())); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s", diff)
	}
}

func fields(entries []*logrus.Entry) []logrus.Fields {
	var out []logrus.Fields
	for _, e := range entries {
		out = append(out, e.Data)
	}
	return out
}

func TestLogLevels(t *testing.T) {
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	var limit logLimit
	a := newLogAdapter(logger, new(atomic.Uint64))
	for line, want := range map[string]logrus.Level{
		"[DEBUG] memberlist: x": logrus.DebugLevel,
		"[INFO] memberlist: x":  logrus.DebugLevel,
		"[WARN] memberlist: x":  logrus.WarnLevel,
		"[ERR] memberlist: x":   logrus.WarnLevel,
		"Err: x":                logrus.WarnLevel,
		"":                      logrus.WarnLevel,
	} {
		hook.Reset()
		a.write(line, &limit, time.Unix(1000, 0))
		limit = logLimit{}
		if got := hook.LastEntry(); got == nil || got.Level != want {
			t.Errorf("%q was logged as %v, want %s", line, got, want)
		}
	}
}

// A writer that hangs does not hold up memberlist, which logs under its locks.
func TestLogNeverWaits(t *testing.T) {
	var suppressed atomic.Uint64
	logger, _ := logtest.NewNullLogger()
	a := newLogAdapter(logger, &suppressed) // nobody runs it
	for range logBacklog + 10 {
		if _, err := a.Write([]byte("[ERR] memberlist: x\n")); err != nil {
			t.Fatal(err)
		}
	}
	if suppressed.Load() != 10 {
		t.Errorf("%d lines suppressed, want 10", suppressed.Load())
	}
}
