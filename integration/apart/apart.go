package apart

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// Each is set in the environment of what runs apart, and of all that it starts: a fuzzing worker is where
// its coordinator is.
const (
	mainVariable = "MEMVIP_APART_MAIN"
	testVariable = "MEMVIP_APART_TEST"
)

// Enter runs the whole test binary once more in new network and mount namespaces, of a new user namespace
// where the caller may make no others, and exits as that run does. Call it first thing in TestMain. It
// returns nil in the second run; an error says why there is none, and tests that need a kernel must fail
// with it rather than go on where they are.
func Enter() error {
	if os.Getenv(mainVariable) != "" {
		return nil
	}
	const flags = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	err := error(syscall.EPERM)
	if os.Getuid() == 0 {
		err = runAndExit(flags)
	}
	if errors.Is(err, syscall.EPERM) {
		err = runAndExit(flags | syscall.CLONE_NEWUSER)
	}
	return err
}

// runAndExit returns only if the second run could not be started.
func runAndExit(flags uintptr) error {
	runtime.LockOSThread() // the death signal follows the thread
	defer runtime.UnlockOSThread()
	again := exec.Command("/proc/self/exe")
	again.Args = os.Args
	again.Env = append(os.Environ(), mainVariable+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = Attributes(flags)
	if err := again.Start(); err != nil {
		return fmt.Errorf("apart: start in new namespaces (flags %#x): %w", flags, err)
	}
	// Wait's error says no more than the state does.
	_ = again.Wait()
	os.Exit(ExitCode(again.ProcessState))
	return nil
}

// Test runs the calling test, which must be no subtest, once more in a network namespace of its own with
// loopback up, as root of a user namespace. It returns true there. Outside it returns false, when the
// second run has ended; the calling test has failed if that one did.
func Test(t *testing.T) (inside bool) {
	t.Helper()
	if os.Getenv(testVariable) == t.Name() {
		if err := loopbackUp(); err != nil {
			t.Fatalf("apart: bring lo up: %v", err)
		}
		return true
	}
	again := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), testVariable+"="+t.Name())
	again.SysProcAttr = Attributes(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET)
	runtime.LockOSThread() // the death signal follows the thread
	defer runtime.UnlockOSThread()
	output, err := again.CombinedOutput()
	if err != nil {
		t.Errorf("apart: in a user and network namespace of its own, which the kernel has to allow: %v\n%s", err, output)
	}
	return false
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// Attributes are those of a process in new namespaces, by CLONE_NEW* flags, that dies with the thread that
// starts it. With CLONE_NEWUSER among them the caller is root there.
func Attributes(flags uintptr) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&syscall.CLONE_NEWUSER != 0 {
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// ExitCode follows the shell: 128 + signal for a process that a signal ended.
func ExitCode(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return s.ExitCode()
}

// OnOwnThread runs f on a thread that nobody uses afterwards, so that f may change its namespaces and
// rights.
func OnOwnThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		result <- f()
	}()
	return <-result
}
