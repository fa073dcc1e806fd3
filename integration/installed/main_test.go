//go:build package

package installed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"memvip/integration/apart"
	"memvip/integration/lab"
)

// The test goes through three processes, each of which starts the next and tells it by the first of these where it is. What the
// first has made is in the others.
const (
	stageVar    = "MEMVIP_PACKAGE_TEST_STAGE"
	packagesVar = "MEMVIP_PACKAGE_TEST_DEBS"
	ownerVar    = "MEMVIP_PACKAGE_TEST_PID"

	stageAlone = "alone" // in a process namespace of its own
	stageLab   = "lab"   // in the lab too
)

var (
	folder   string   // where what is made once lies
	packages []string // the paths of the .deb and of its successor
)

func TestMain(m *testing.M) {
	code, err := arrive()
	if err != nil {
		fmt.Fprintln(os.Stderr, "package test:", err)
		code = 1
	}
	if os.Getenv(stageVar) == stageLab && err == nil {
		code = m.Run()
	}
	os.Exit(code)
}

// arrive brings the process to where tests run, or is the process that waits for their outcome.
func arrive() (code int, err error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return 0, err
	}
	folder = filepath.Join(root, "bin", "package-test")
	packages = filepath.SplitList(os.Getenv(packagesVar))
	switch os.Getenv(stageVar) {
	case stageAlone:
		// Programs look for processes there.
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return 0, fmt.Errorf("mount /proc: %w", err)
		}
		if err := os.Setenv(stageVar, stageLab); err != nil {
			return 0, err
		}
		return 0, lab.Enter()
	case stageLab:
		return 0, lab.Enter()
	}
	if err := prepare(root); err != nil {
		return 0, err
	}
	return runAlone()
}

// prepare makes what hosts are made from, while the outside world is still to be had: a lab hides /run.
func prepare(root string) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := equipped(); err != nil {
		return err
	}
	if err := makeBase(ctx, folder); err != nil {
		return err
	}
	var err error
	packages, err = buildPackages(ctx, root, filepath.Join(folder, "packages"))
	return err
}

// runAlone runs the tests as the first process of a namespace, with which all others of it end, and so all that the tests
// started, however they end.
func runAlone() (code int, err error) {
	removeGroups()
	defer removeGroups()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), stageVar+"="+stageAlone, ownerVar+"="+strconv.Itoa(os.Getpid()),
		packagesVar+"="+strings.Join(packages, string(filepath.ListSeparator)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	runtime.LockOSThread() // the death signal follows the thread
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start in a process namespace: %w", err)
	}
	go func() {
		for range signals {
			_ = cmd.Process.Kill() // fails if it has ended
		}
	}()
	_ = cmd.Wait() // its error says no more than the state does
	return apart.ExitCode(cmd.ProcessState), nil
}

// equipped says what this machine lacks.
func equipped() error {
	if os.Geteuid() != 0 {
		return errors.New("containers that systemd runs need root, and this is not root: sudo make package-test")
	}
	// Not every root looks there.
	err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, need := range [...]struct{ program, pkg string }{
		{"debootstrap", "debootstrap"}, {"systemd-nspawn", "systemd-container"}, {"nsenter", "util-linux"},
	} {
		if _, missing := exec.LookPath(need.program); missing != nil {
			err = errors.Join(err, fmt.Errorf("%s is missing; to install it: apt-get install -y %s", need.program, need.pkg))
		}
	}
	return err
}
