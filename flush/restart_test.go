package flush

import (
	"context"
	"strings"
	"testing"
	"time"

	"memvip/flush/command"
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
	if text := err.Error(); len(text) > 2*command.TailBytesMax || !strings.Contains(text, "last words") {
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
