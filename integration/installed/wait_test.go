//go:build package

package installed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen; only a failing test waits that long.
const patience = 2 * time.Minute

// within is the deadline of one wait.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hopeless is an error that no waiting mends.
type hopeless struct{ error }

func final(err error) error { return hopeless{err} }

// poll tries until that succeeds, or cannot any more.
func poll(ctx context.Context, every time.Duration, try func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		if h, ok := errors.AsType[hopeless](err); ok {
			return h.error
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not in time: %w", err)
		}
	}
}

// onOwnThread runs f on a thread that does nothing else.
func onOwnThread(f func()) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	f()
}

// processes lists the process ids of the whole machine that the test runs on.
func processes() []int {
	entries, _ := os.ReadDir("/proc") // without it, there is nobody
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// statusOf reads /proc/PID/status; it is empty for a process that is gone.
func statusOf(pid int) map[string]string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}
