package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec" // the test's own binary, which becomes itself anew
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memvip/configs"
)

// lifeVariable has the test binary live as one of two programs that a process is, one after the other, and says which;
// directoryVariable says where.
const (
	lifeVariable      = "TEST_HOOKS_LIFE"
	directoryVariable = "TEST_HOOKS_DIR"
)

// helper starts the first program. Whatever becomes of the test, neither it nor its hooks outlive it.
func (b *bench) helper() (*exec.Cmd, *json.Decoder) {
	b.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), lifeVariable+"=first", directoryVariable+"="+b.dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if cmd.ProcessState != nil {
			return
		}
		left := childrenOf(cmd.Process.Pid)
		_ = cmd.Process.Kill()
		for _, pid := range left { // each leads a group
			_ = unix.Kill(-pid, unix.SIGKILL)
		}
		_ = cmd.Wait()
	})
	return cmd, json.NewDecoder(out)
}

// childrenOf lists the processes that a process has started and not buried.
func childrenOf(pid int) []int {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is good
	var list []int
	for _, path := range paths {
		text, _ := os.ReadFile(path) // a thread that has ended has none
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// A process becomes another program while a hook runs and others wait: the hook goes on, and the next program learns how
// it ended, runs what waited, in its order, and leaves no dead child.
func TestHooksOutliveTheProgram(t *testing.T) {
	b := newBench(t)
	gate := b.gate("gate")
	cmd, lines := b.helper()
	var ready struct{ PID, Waiting, Running int }
	if err := lines.Decode(&ready); err != nil || ready.PID != cmd.Process.Pid || ready.Running != 2 || ready.Waiting != 2 {
		t.Fatalf("the second program begins with %+v, %v; the process is %d", ready, err, cmd.Process.Pid)
	}
	b.open(gate)
	var ended []string
	for range 4 {
		var o struct {
			Epoch  uint64
			Code   int
			Output string
			Error  string
		}
		if err := lines.Decode(&o); err != nil {
			t.Fatal(err)
		}
		ended = append(ended, fmt.Sprintf("%d: %d %q %s", o.Epoch, o.Code, o.Output, o.Error))
	}
	got := strings.Join(ended, "\n")
	for _, want := range []string{`1: 3 "before\nbehind 1" exit code 3`, `2: 3 "before\nbehind 2" exit code 3`, `3: 3 "before\nbehind 3" exit code 3`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if !strings.Contains(got, "9: 137 ") || !strings.Contains(got, errTimeout.Error()) {
		t.Errorf("the hook whose time was over has not been killed:\n%s", got)
	}
	if strings.Index(got, "1: ") > strings.Index(got, "2: ") || strings.Index(got, "2: ") > strings.Index(got, "3: ") {
		t.Errorf("not in their order:\n%s", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the second program: %v", err)
	}
}

// live is the life of either program; it returns the exit code.
func live() int {
	out := json.NewEncoder(os.Stdout)
	ended := make(chan Outcome, 9)
	b := &bench{dir: os.Getenv(directoryVariable)}
	b.Runner = New(Report{Ended: func(o Outcome) { ended <- o }, Dropped: func(Event) {}})
	script := "echo before; echo $MEMVIP_EPOCH >>begun; read -r line <gate; echo behind $MEMVIP_EPOCH; exit 3"
	if os.Getenv(lifeVariable) == "second" {
		return second(b, os.Getenv(Variable), script, ended, out)
	}
	// A program that took itself for the first again and again would fill the machine with hooks.
	if _, err := os.OpenFile(filepath.Join(b.dir, "first"), os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	b.Configure(b.options(script, far))
	b.claimed("10.0.0.101", 1)
	b.claimed("10.0.0.101", 2)
	b.claimed("10.0.0.101", 3)
	hanging := b.options("", 300*time.Millisecond)
	hanging.Commands.Claim = []string{"/bin/sleep", "1000"}
	b.Configure(hanging)
	b.claimed("10.0.0.102", 9)
	for begun(b.dir) == "" {
		<-time.After(time.Millisecond)
	}
	b.untilStarted()
	variable, err := b.Leave()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	environment := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, lifeVariable+"=") })
	err = syscall.Exec("/proc/self/exe", os.Args, append(environment, variable, lifeVariable+"=second"))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func begun(dir string) string {
	text, _ := os.ReadFile(dir + "/begun") // it may not be there yet
	return string(text)
}

// untilStarted waits until everything that runs has its process.
func (b *bench) untilStarted() {
	started := func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for x := range b.running {
			if x.process == nil {
				return false
			}
		}
		return true
	}
	for !started() {
		<-time.After(time.Millisecond)
	}
}

func second(b *bench, value, script string, ended chan Outcome, out *json.Encoder) int {
	if err := b.Inherit(value); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s := b.Snapshot()
	b.Configure(b.options(script, far))
	err := out.Encode(map[string]int{"PID": os.Getpid(), "Waiting": s.Waiting, "Running": s.Running})
	for range 4 {
		o := <-ended
		err = errors.Join(err, out.Encode(map[string]any{"Epoch": o.Event.Epoch, "Code": o.Code, "Output": o.Output, "Error": fmt.Sprint(o.Err)}))
	}
	b.Close(0)
	if pid, waitErr := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(waitErr, unix.ECHILD) {
		fmt.Fprintf(os.Stderr, "a child is left: %d, %v\n", pid, waitErr)
		return 1
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A process that could not become another program goes on as if nothing had been.
func TestHooksGoOnWhereTheProgramStays(t *testing.T) {
	b := newBench(t)
	gate := b.gate("gate")
	b.run("read -r line <gate; echo $MEMVIP_EPOCH", far)
	b.claimed("10.0.0.101", 1)
	b.claimed("10.0.0.101", 2)
	b.untilStarted()
	for range 3 {
		variable, err := b.Leave()
		if err != nil || !strings.HasPrefix(variable, Variable+"=") {
			t.Errorf("left %q, %v", variable, err)
		}
		b.claimed("10.0.0.102", 5) // waits until it is known who runs it
		if s := b.Snapshot(); s.Running != 1 {
			t.Errorf("%d run", s.Running)
		}
		b.Stay()
	}
	b.open(gate)
	b.Configure(b.options("echo later $MEMVIP_EPOCH", far))
	said := map[string]int{}
	for range 5 {
		o := b.next()
		said[o.Output]++
	}
	if said["1"] != 1 || said["later 2"] != 1 || said["later 5"] != 3 {
		t.Errorf("said %v", said)
	}
}

func TestNothingToLeave(t *testing.T) {
	b := newBench(t)
	b.run("true", far)
	if variable, err := b.Leave(); variable != "" || err != nil {
		t.Errorf("left %q, %v", variable, err)
	}
	b.Stay()
}

func TestAnEstateThatIsNone(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "seven", "-1", "987654", fmt.Sprint(fd)} {
		b := newBench(t)
		if err := b.Inherit(value); err == nil || !strings.Contains(err.Error(), Variable) {
			t.Errorf("%q: %v", value, err)
		}
		b.Configure(Options{Commands: configs.Hooks{Claim: []string{"/bin/true"}, Timeout: far}})
		b.claimed("10.0.0.101", 1)
		if o := b.next(); o.Err != nil {
			t.Errorf("%q: %+v", value, o)
		}
	}
	_ = file.Close()
}
