package flush

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"memvip/flush/command"
)

// restartOutputWait is how long output is waited for after the command itself has ended: a server that it started
// in the background may keep the pipe open for ever.
const restartOutputWait = 50 * time.Millisecond

// Restart runs the operator's restart command and returns when it has ended. The end of its output is in the refusal
// if it fails. It is run without a shell, without standard input, in the ordinary scheduling class and without the
// variables by which systemd talks to the agent. If ctx ends first, its process group is killed. A success means that
// the command reported one; what it restarted is for Inspect to find out.
func Restart(ctx context.Context, argv []string) error {
	if len(argv) == 0 {
		return &Refusal{Reason: ReasonRestartFailed, Detail: "no restart command is configured"}
	}
	var output command.Tail
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Env = command.Environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = restartOutputWait
	err := command.StartOrdinary(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return &Refusal{Reason: reasonFor(ctx.Err()), Detail: fmt.Sprintf("%s: %v%s", argv[0], ctx.Err(), quoted(&output)), Err: ctx.Err()}
	}
	return &Refusal{Reason: ReasonRestartFailed, Detail: fmt.Sprintf("%s: %v%s", argv[0], err, quoted(&output)), Err: err}
}

// quoted is an output behind a complaint.
func quoted(output *command.Tail) string {
	text := output.Text()
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}
