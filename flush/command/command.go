package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec" // for its caller's commands
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Runnable tells whether the program of a command is there and may be run by this process, without running it.
func Runnable(argv []string) error {
	if len(argv) == 0 {
		return errors.New("no command")
	}
	_, err := exec.LookPath(argv[0])
	return err
}

// StartOrdinary starts a command in the ordinary scheduling class whatever this process runs in, and not spared when memory
// runs out: what it starts may live on, as memcached itself. After Become it does not wait for the command's program to be
// read; one that turns out to be none then ends with exit code 127 and its reason on standard error.
func StartOrdinary(command *exec.Cmd) error {
	if staged {
		return startStaged(command)
	}
	return startDirectly(command)
}

// startDirectly is for programs that are no stage: the thread that waits for the child is in the ordinary class, too.
func startDirectly(command *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with this goroutine
		err := becomeOrdinary()
		if err == nil {
			err = command.Start()
		}
		if err == nil {
			_ = spareNoMore(command.Process.Pid) // it may have ended, and /proc may be hidden
		}
		started <- err
	}()
	return <-started
}

// becomeOrdinary takes the calling thread out of any other scheduling class, as everybody may. It does so by the older call,
// whose arguments say which class is wanted: where real-time classes are forbidden (RestrictRealtime in a unit), a filter that
// sees arguments only forbids the newer one whatever it is for.
func becomeOrdinary() error { return makeOrdinary(0) }

// makeOrdinary does that for the first thread of a process; 0 is the calling thread.
func makeOrdinary(pid int) error {
	var priority int32 // a struct sched_param
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(pid), unix.SCHED_NORMAL, uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		return fmt.Errorf("leave the scheduling class: %w", errno)
	}
	return nil
}

// Environment returns this process's environment without the variables by which systemd talks to the agent, or says
// where its log leads and where its secrets lie.
func Environment() []string { return slices.DeleteFunc(os.Environ(), forTheAgentAlone) }

func forTheAgentAlone(variable string) bool {
	for _, prefix := range [...]string{
		"NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_PID=", "LISTEN_FD", "JOURNAL_STREAM=", "CREDENTIALS_DIRECTORY=",
	} {
		if strings.HasPrefix(variable, prefix) {
			return true
		}
	}
	return false
}
