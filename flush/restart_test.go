package flush

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRestartRunsTheCommand(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/notify")
	t.Setenv("WATCHDOG_USEC", "5")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("KEPT", "yes")
	script := `test -z "$NOTIFY_SOCKET$WATCHDOG_USEC$LISTEN_FDS" && test "$KEPT" = yes && test "$1" = "two words"`
	if err := Restart(t.Context(), []string{"/bin/sh", "-c", script, "sh", "two words"}); err != nil {
		t.Error(err)
	}
}

func TestRestartSaysWhatFailed(t *testing.T) {
	for _, test := range []struct {
		name string
		argv []string
		want string
	}{
		{"none", nil, "flush: no restart command is configured"},
		{"missing", []string{"/nonexistent/restart"}, "/nonexistent/restart: no such file or directory"},
		{"status", []string{"/bin/sh", "-c", "echo why; echo and how >&2; exit 3"}, `flush: /bin/sh: exit status 3: "why\nand how"`},
		{"silent", []string{"/bin/false"}, "flush: /bin/false: exit status 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Restart(t.Context(), test.argv)
			wantReason(t, err, ReasonRestartFailed)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestRestartKeepsOnlyTheEndOfTheOutput(t *testing.T) {
	err := Restart(t.Context(), []string{"/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo last words; exit 1"})
	wantReason(t, err, ReasonRestartFailed)
	if text := err.Error(); len(text) > 2*restartOutputBytesMax || !strings.Contains(text, "last words") {
		t.Errorf("got %d bytes: %s", len(text), text)
	}
}

func TestRestartEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// The shell's child has to go too, or the output would stay open.
	err := Restart(ctx, []string{"/bin/sh", "-c", "sleep 600; true"})
	wantReason(t, err, ReasonTimeout)

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	wantReason(t, Restart(ctx, []string{"/bin/sleep", "600"}), ReasonStopped)
}

func TestRestartDoesNotWaitForADaemon(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := Restart(ctx, []string{"/bin/sh", "-c", "read -r line & echo started"}); err != nil {
		t.Error(err)
	}
}

// What a real-time agent starts must not be in its class.
func TestRestartLeavesTheSchedulingClass(t *testing.T) {
	runtime.LockOSThread() // and not unlocked: nobody else is to have this thread
	policy := func() uint32 {
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return attr.Policy
	}
	// Everybody may choose this class; the real-time ones take a privilege.
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0); err != nil || policy() != unix.SCHED_BATCH {
		t.Fatal("class not left: ", err)
	}
	for range 2 {
		if err := becomeOrdinary(); err != nil || policy() != unix.SCHED_NORMAL {
			t.Errorf("class %d: %v", policy(), err)
		}
	}
}

func TestTail(t *testing.T) {
	var output tail
	for i := range 1000 {
		if n, err := fmt.Fprintf(&output, "%04d", i); n != 4 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(output.kept) != restartOutputBytesMax || !strings.HasSuffix(string(output.kept), "09980999") {
		t.Errorf("kept %d bytes", len(output.kept))
	}
	_, _ = output.Write([]byte(strings.Repeat("a", 5*restartOutputBytesMax) + "b"))
	if len(output.kept) != restartOutputBytesMax || !strings.HasSuffix(string(output.kept), "aab") {
		t.Errorf("kept %d bytes of one big write", len(output.kept))
	}
}
