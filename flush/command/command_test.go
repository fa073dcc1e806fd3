package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestWhatIsForTheAgentAloneIsNotPassedOn(t *testing.T) {
	for _, name := range []string{
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "JOURNAL_STREAM", "CREDENTIALS_DIRECTORY",
	} {
		t.Setenv(name, "1")
		if slices.Contains(Environment(), name+"=1") {
			t.Errorf("%s is passed on", name)
		}
	}
	t.Setenv("LISTENER", "yes")
	if !slices.Contains(Environment(), "LISTENER=yes") {
		t.Error("a variable that is nobody's business is not passed on")
	}
}

func TestRunnable(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"good": 0o755, "bad": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	for _, c := range []struct {
		argv []string
		want string // in the error; "" for none
	}{
		{nil, "no command"},
		{[]string{"good", "arg"}, ""},
		{[]string{filepath.Join(dir, "good")}, ""},
		{[]string{filepath.Join(dir, "bad")}, "permission denied"},
		{[]string{"nothing"}, "not found"},
	} {
		if err := Runnable(c.argv); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.argv, err, c.want)
		}
	}
}

// What a real-time agent starts must not be in its class.
func TestTheSchedulingClassIsLeft(t *testing.T) {
	runtime.LockOSThread() // and not unlocked: nobody else is to have this thread
	policy := func() uint32 {
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return attr.Policy
	}
	// Everybody may choose this class; the real-time ones take a privilege.
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0); err != nil || policy() != unix.SCHED_BATCH {
		t.Fatal("class not left: ", err)
	}
	for range 2 {
		if err := becomeOrdinary(); err != nil || policy() != unix.SCHED_NORMAL {
			t.Errorf("class %d: %v", policy(), err)
		}
	}
}

// Where the unit forbids real-time classes, sched_setattr is refused whatever it is for.
func TestTheSchedulingClassIsLeftUnderAFilter(t *testing.T) {
	runtime.LockOSThread() // and not unlocked: the filter is this thread's for ever
	deny := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SCHED_SETATTR, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(deny)), Filter: &deny[0]}
	err := errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	ordinary := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
	if err := unix.SchedSetAttr(0, ordinary, 0); !errors.Is(err, unix.EPERM) {
		t.Fatalf("the filter refuses nothing: %v", err)
	}
	if err := becomeOrdinary(); err != nil {
		t.Error(err)
	}
}

func TestStartOrdinary(t *testing.T) {
	for name, start := range map[string]func(*exec.Cmd) error{"by the stage": StartOrdinary, "directly": startDirectly} {
		cmd := exec.Command("/bin/sh", "-c", "exit 3")
		if err := start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%s: %v", name, err)
		}
		if err := start(exec.Command("/nonexistent/command")); err == nil {
			t.Errorf("%s: started what is not there", name)
		}
	}
}

// An agent that is to be spared when memory runs out does not pass that on.
func TestNothingElseIsSpared(t *testing.T) {
	dir := t.TempDir()
	own, other := filepath.Join(dir, "own"), filepath.Join(dir, "other")
	for _, c := range []struct{ own, want string }{{"-900\n", "0"}, {"-1\n", "0"}, {"0\n", "before"}, {"300\n", "before"}} {
		for path, text := range map[string]string{own: c.own, other: "before"} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := giveUpClaim(own, other); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(other); err != nil || string(got) != c.want {
			t.Errorf("own %q: the other's is %q, %v; want %q", c.own, got, err, c.want)
		}
	}
	if err := giveUpClaim(own, filepath.Join(dir, "missing", "score")); err != nil {
		t.Errorf("nothing to give up: %v", err)
	}
	if err := spareNoMore(os.Getpid()); err != nil { // this process's own, as the kernel shows it
		t.Error(err)
	}
}

func TestTail(t *testing.T) {
	var output Tail
	for i := range 1000 {
		if n, err := fmt.Fprintf(&output, "%04d", i); n != 4 || err != nil {
			t.Fatal(n, err)
		}
	}
	if text := output.Text(); len(text) != TailBytesMax || !strings.HasSuffix(text, "09980999") {
		t.Errorf("kept %d bytes", len(text))
	}
	_, _ = output.Write([]byte(strings.Repeat("a", 5*TailBytesMax) + "b"))
	if text := output.Text(); len(text) != TailBytesMax || !strings.HasSuffix(text, "aab") {
		t.Errorf("kept %d bytes of one big write", len(text))
	}
	_, _ = output.Write([]byte(" \xff \n"))
	if text := output.Text(); !strings.HasSuffix(text, "ab \uFFFD") {
		t.Errorf("kept %q", text[len(text)-9:])
	}
}
