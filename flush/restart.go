package flush

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	restartOutputBytesMax = 1 << 10
	// restartOutputWait is how long output is waited for after the command itself has ended: a server that it started
	// in the background may keep the pipe open for ever.
	restartOutputWait = 50 * time.Millisecond
)

// Restart runs the operator's restart command and returns when it has ended. The end of its output is in the refusal
// if it fails. It is run without a shell, without standard input, in the ordinary scheduling class and without the
// variables by which systemd talks to the agent. If ctx ends first, its process group is killed. A success means that
// the command reported one; what it restarted is for Inspect and CertifyRestart to find out.
func Restart(ctx context.Context, argv []string) error {
	if len(argv) == 0 {
		return &Refusal{Reason: ReasonRestartFailed, Detail: "no restart command is configured"}
	}
	var output tail
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Stdout, command.Stderr = &output, &output
	command.Env = slices.DeleteFunc(os.Environ(), forTheAgentAlone)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = restartOutputWait
	err := StartOrdinary(command)
	if err == nil {
		err = command.Wait()
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return &Refusal{Reason: reasonFor(ctx.Err()), Detail: fmt.Sprintf("%s: %v%s", argv[0], ctx.Err(), output.quoted()), Err: ctx.Err()}
	}
	return &Refusal{Reason: ReasonRestartFailed, Detail: fmt.Sprintf("%s: %v%s", argv[0], err, output.quoted()), Err: err}
}

// Runnable tells whether the program of a restart command is there and may be run by this process, without running it.
func Runnable(argv []string) error {
	if len(argv) == 0 {
		return errors.New("no command")
	}
	_, err := exec.LookPath(argv[0])
	return err
}

// StartOrdinary starts a command in the ordinary scheduling class whatever this process runs in: what it starts may
// live on, as memcached itself.
func StartOrdinary(command *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with this goroutine
		err := becomeOrdinary()
		if err == nil {
			err = command.Start()
		}
		started <- err
	}()
	return <-started
}

// becomeOrdinary takes the calling thread out of any other scheduling class, as everybody may.
func becomeOrdinary() error {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy == unix.SCHED_NORMAL {
		return err
	}
	return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: attr.Nice}, 0)
}

func forTheAgentAlone(variable string) bool {
	for _, prefix := range [...]string{"NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_PID=", "LISTEN_FD"} {
		if strings.HasPrefix(variable, prefix) {
			return true
		}
	}
	return false
}

// tail keeps the last bytes written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-restartOutputBytesMax):]...)
	if over := len(t.kept) - restartOutputBytesMax; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) quoted() string {
	kept := bytes.TrimSpace(t.kept)
	if len(kept) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", kept)
}
