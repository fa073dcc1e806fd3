package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Whoever starts a program stands in the kernel until the child has become it, and Go's runtime, which is not told, has
// the core taken up for that long. With the program on a disk that stalls, an agent on one core would renew no lease.
// So a child first becomes the program that this process is already, whose text is in memory, and in the ordinary class
// only then: what can wait for a disk, or for its turn on a busy host, holds up nobody but itself.

const (
	// stageName is the name by which this program knows that it is to become a command: its path, then its arguments,
	// name first, are behind it.
	stageName = "memvip-command"
	// thisProgram is what this process runs, whatever lies by now where it was started from.
	thisProgram = "/proc/self/exe"
)

// How a stage ends that could not become the command, as with a shell.
const (
	exitForbidden = 126
	exitNotRun    = 127
)

// staged says that this program can be a stage. Become sets it, before there is another goroutine.
var staged bool

// Become has this process become the command that it was started for, if it was for one, and returns otherwise: then the
// commands that this process starts come about that way. It is to be called before main does anything else.
func Become() {
	if len(os.Args) == 0 || os.Args[0] != stageName {
		staged = true
		return
	}
	err := becomeCommand(os.Args[1:])
	_, _ = unix.Write(unix.Stderr, fmt.Appendf(nil, "%s: %v\n", stageName, err))
	if errors.Is(err, unix.EACCES) {
		os.Exit(exitForbidden)
	}
	os.Exit(exitNotRun)
}

// becomeCommand returns only if that fails.
func becomeCommand(command []string) error {
	if len(command) < 2 {
		return errors.New("no command")
	}
	runtime.LockOSThread() // exec goes on with the calling thread, and so with its class
	if err := becomeOrdinary(); err != nil {
		return err
	}
	_ = spareNoMore(os.Getpid()) // /proc may be hidden
	// This exec gives back the limit of open files that the runtime has raised. The runtime's own signals may interrupt it on
	// file systems that let them.
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = syscall.Exec(command[0], command[1:], os.Environ())
	}
	return fmt.Errorf("exec %s: %w", command[0], err)
}

// startStaged starts a command by way of this program. That a command is not there, or may not be run, is said as if it
// were started directly; what else the kernel has against it is said by the stage, on standard error.
func startStaged(command *exec.Cmd) error {
	if command.Err != nil {
		return command.Err
	}
	path, args := command.Path, command.Args
	if err := Runnable([]string{path}); err != nil { // waits for a disk without the core
		return err
	}
	command.Path, command.Args = thisProgram, append([]string{stageName, path}, args...)
	err := command.Start()
	command.Path, command.Args = path, args // for whoever asks it for its command
	if err == nil {
		// Until it has become this program it had to be as urgent as this thread; it does so itself once it runs.
		_ = makeOrdinary(command.Process.Pid)
	}
	return err
}
