package vip

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// insideVariable is set in the process that runs in namespaces of its own.
const insideVariable = "VIP_TEST_INSIDE"

// outside is why the tests could not be moved into namespaces of their own; those that need a kernel
// fail with it rather than touch the interfaces of this machine.
var outside error

// TestMain runs the whole test binary once more in new network and mount namespaces, of a new user
// namespace where the caller is not root.
func TestMain(m *testing.M) {
	if os.Getenv(insideVariable) == "" {
		code, err := runInside()
		if err == nil {
			os.Exit(code)
		}
		outside = err
	}
	goleak.VerifyTestMain(m)
}

func runInside() (exitCode int, err error) {
	if os.Getuid() == 0 {
		code, err := startInside(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS)
		if !errors.Is(err, syscall.EPERM) {
			return code, err
		}
	}
	return startInside(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS)
}

func startInside(flags uintptr) (exitCode int, err error) {
	runtime.LockOSThread() // the death signal follows the thread
	defer runtime.UnlockOSThread()
	attributes := &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	process, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), insideVariable+"=1"),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   attributes,
	})
	if err != nil {
		return 0, fmt.Errorf("new namespaces (flags %#x) for the tests: %w", flags, err)
	}
	state, err := process.Wait()
	if err != nil {
		return 0, err
	}
	if code := state.ExitCode(); code >= 0 {
		return code, nil
	}
	return 2, nil // ended by a signal
}
