package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"memvip/integration/apart"
)

// How Enter talks to the process it starts again as. The variable is removed on arrival, so that a
// program started from within a lab may enter one of its own.
const (
	stageVar  = "MEMVIP_LAB_STAGE"
	stageRoot = "root"
	stageUser = "user"
)

// RootlessVar is the environment variable that makes Enter use a user namespace even as root, if it is not empty.
const RootlessVar = "MEMVIP_LAB_ROOTLESS"

// runDir is where everything that a lab makes lives: a tmpfs that only this process and its children see.
const runDir = "/run"

// netnsDir holds the named network namespaces, where `ip netns` and the agent's --netns look for them.
const netnsDir = runDir + "/netns"

// Enter moves the process into a private mount namespace with an empty /run. Call it first thing in
// main or TestMain: it starts the program anew with the same arguments, so whatever ran before runs twice.
//
// As root the process becomes its own successor (same pid), still in the first network and process
// namespace, where the kernel tells agents of memcached's death. Otherwise it goes on as a child in
// a user, mount and network namespace of its own; then Enter does not return in the first process,
// which passes signals on and exits as the child does. (A terminal's Ctrl-C then arrives twice: once from the
// terminal, once passed on.)
func Enter() error {
	stage := os.Getenv(stageVar)
	if err := os.Unsetenv(stageVar); err != nil {
		return fmt.Errorf("lab: unset %s: %w", stageVar, err)
	}
	if stage != "" {
		return furnish(stage)
	}
	if _, err := memcachedPath(); err != nil {
		return err
	}
	if os.Geteuid() == 0 && os.Getenv(RootlessVar) == "" {
		if err := becomeRootless(enterAsRoot()); err != nil {
			return err
		}
	}
	return enterAsUser()
}

// becomeRootless decides what a failed attempt as root means: without the right to make namespaces
// (a plain container), a user namespace may still be allowed.
func becomeRootless(err error) error {
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// enterAsRoot returns only if it failed.
func enterAsRoot() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("lab: new mount namespace: %w", err)
	}
	// exec ends all other threads, and this one's namespace becomes the process's.
	if err := syscall.Exec(self(), os.Args, append(os.Environ(), stageVar+"="+stageRoot)); err != nil {
		return fmt.Errorf("lab: start anew in the namespace: %w", err)
	}
	return nil
}

// self is the path of this very program. Its folder may be closed to us (a test binary after a
// change of user), which the link in /proc does not mind.
func self() string {
	if path, err := os.Executable(); err == nil && unix.Access(path, unix.X_OK) == nil {
		return path
	}
	return "/proc/self/exe"
}

// enterAsUser returns only if it failed.
func enterAsUser() error {
	cmd := exec.Command(self())
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), stageVar+"="+stageUser)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = apart.Attributes(unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET)
	runtime.LockOSThread() // the child dies with this thread, so this thread stays
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("lab: new user namespace: %w (run as root, or allow them: "+
			"sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1, on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0)", err)
	}
	go func() {
		for s := range signals {
			// An error means that the child is gone, which Wait will tell.
			_ = cmd.Process.Signal(s)
		}
	}()
	// Wait's error says no more than the state does.
	_ = cmd.Wait()
	os.Exit(apart.ExitCode(cmd.ProcessState))
	return nil
}

// furnish makes the new mount namespace private and puts an empty tmpfs over /run.
func furnish(stage string) error {
	if stage != stageRoot && stage != stageUser {
		return fmt.Errorf("lab: %s=%q: want %q or %q", stageVar, stage, stageRoot, stageUser)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("lab: make mounts private: %w", err)
	}
	if err := unix.Mount("memvip-lab", runDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("lab: mount a tmpfs on %s: %w", runDir, err)
	}
	if err := os.Mkdir(netnsDir, 0o755); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	furnished, rootless = true, stage == stageUser
	if !rootless {
		return nil
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("lab: bring lo up: %w", err)
	}
	return nil
}

// furnished says that Enter has done its work in this process, rootless that it took a user namespace.
var furnished, rootless bool

// memcachedPath finds Debian's memcached, or says how to get it.
func memcachedPath() (string, error) {
	path, err := exec.LookPath("memcached")
	if err != nil {
		return "", errors.New("lab: memcached is not installed; as root: apt-get install -y memcached iproute2")
	}
	return path, nil
}
