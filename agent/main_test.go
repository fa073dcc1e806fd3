package agent

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// insideVariable is set in the process that runs in namespaces of its own.
const insideVariable = "AGENT_TEST_INSIDE"

// outside is why the tests could not be moved into namespaces of their own; those that need a kernel
// fail with it rather than touch this machine's interfaces and mounts.
var outside error

// TestMain runs the whole test binary once more in new network and mount namespaces, of a new user
// namespace where the caller is not root. Fuzzing stays where it is: it needs none of that, and its
// workers talk over file descriptors.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(insideVariable) != "":
	case fuzzing():
		outside = errors.New("fuzzing")
	default:
		code, err := runInside()
		if err == nil {
			os.Exit(code)
		}
		outside = err
	}
	goleak.VerifyTestMain(m)
}

func fuzzing() bool {
	for _, argument := range os.Args[1:] {
		if strings.HasPrefix(argument, "-test.fuzz=") || argument == "-test.fuzzworker" {
			return true
		}
	}
	return false
}

func runInside() (exitCode int, err error) {
	flags := uintptr(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS)
	if os.Getuid() == 0 {
		code, err := startInside(flags)
		if !errors.Is(err, syscall.EPERM) {
			return code, err
		}
	}
	return startInside(flags | syscall.CLONE_NEWUSER)
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
		Env: append(os.Environ(), insideVariable+"=1"), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: attributes,
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

// needNamespaces fails a test that would touch this machine.
func needNamespaces(t testing.TB) {
	t.Helper()
	if outside != nil {
		t.Fatalf("this test needs namespaces of its own: %v", outside)
	}
}

// onOwnThread runs f on a thread that nobody uses afterwards, so that f may change what it may do and
// where it is.
func onOwnThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		result <- f()
	}()
	return <-result
}

// inNewNetns runs f in a network namespace of its own.
func inNewNetns(t testing.TB, f func() error) {
	t.Helper()
	needNamespaces(t)
	err := onOwnThread(func() error {
		ns, err := netns.New()
		if err != nil {
			return err
		}
		defer ns.Close()
		return f()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// smallDisk mounts a tmpfs of so many bytes and returns its folder.
func smallDisk(t testing.TB, bytes int) string {
	t.Helper()
	needNamespaces(t)
	dir := t.TempDir()
	// Else the mount would be seen outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatalf("make mounts private: %v", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount tmpfs: %v", err)
		}
	})
	return dir
}

// newLAN makes a link with these addresses in the tests' network namespace. It has a carrier.
func newLAN(t testing.TB, name string, addresses ...string) {
	t.Helper()
	needNamespaces(t)
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}
	for _, step := range []func() error{
		func() error { return netlink.LinkAdd(link) },
		func() error { return linkUp(name + "p") },
		func() error { return linkUp(name) },
		func() error { return linkUp("lo") },
	} {
		if err := step(); err != nil {
			t.Fatalf("make link %s: %v", name, err)
		}
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(link); err != nil {
			t.Errorf("remove link %s: %v", name, err)
		}
	})
	for _, a := range addresses {
		address, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrAdd(link, address)
		}
		if err != nil {
			t.Fatalf("add %s to %s: %v", a, name, err)
		}
	}
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
