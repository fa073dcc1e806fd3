package health

import (
	"bufio"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memvip/integration/apart"
)

// patience bounds every wait of a test for something that is sure to come.
const patience = 30 * time.Second

// openForTest opens the connector, and insists on it where the kernel gives process events. Where it does not, it
// insists on ErrNotAllowed and returns nil: the test has then seen all there is to see.
func openForTest(t *testing.T) *Connector {
	t.Helper()
	c, err := OpenConnector()
	if !processEventsExpected(t) {
		if !errors.Is(err, ErrNotAllowed) {
			t.Fatalf("without privilege, or in a namespace: got error %v, want ErrNotAllowed", err)
		}
		t.Log("no process events here; saw ErrNotAllowed instead")
		return nil
	}
	if err != nil {
		t.Fatalf("root in the first namespaces needs a kernel with CONFIG_PROC_EVENTS: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// processEventsExpected tells whether this is root in the first user, process-id and network namespaces. The first two
// have fixed numbers; the third alone shows settings that hold for all.
func processEventsExpected(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 || namespace(t, "user") != "user:[4026531837]" || namespace(t, "pid") != "pid:[4026531836]" {
		return false
	}
	_, err := os.Stat("/proc/sys/net/core/netdev_max_backlog")
	return err == nil
}

func namespace(t *testing.T, kind string) string {
	t.Helper()
	name, err := os.Readlink("/proc/self/ns/" + kind)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// startSleeper starts a process that does nothing until it is killed.
func startSleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	startProcess(t, cmd)
	return cmd
}

// startProcess starts cmd and ends it with the test.
func startProcess(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() { kill(t, cmd) })
}

// kill ends a process with SIGKILL and waits for its end. It may be called twice.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.ProcessState != nil {
		return
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = cmd.Wait() // It says that the process was killed.
}

func wait[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain for %s", patience, what)
		panic("unreachable")
	}
}

func TestConnectorTellsTheExitOfAWatchedProcess(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	watched, other := startSleeper(t), startSleeper(t)
	exits := make(chan Exit, 100)
	cancel := c.Watch(watched.Process.Pid, func(e Exit) { exits <- e })
	defer cancel()

	kill(t, other)
	before := time.Now()
	kill(t, watched)
	e := wait(t, "the exit", exits)
	if e.Kind != ExitProcess || e.PID != watched.Process.Pid {
		t.Errorf("got %+v, want the exit of process %d", e, watched.Process.Pid)
	}
	if e.At.Before(before.Add(-time.Second)) || e.At.After(time.Now()) {
		t.Errorf("exit at %v, killed at %v", e.At, before)
	}
	if n := c.Counters(); n.Events != 1 || n.Malformed != 0 || n.Overruns != 0 {
		t.Errorf("counted %+v, want one event", n)
	}
}

func TestConnectorTellsACrashAsTheProcessesEnd(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	watched := startSleeper(t)
	exits := make(chan Exit, 100)
	defer c.Watch(watched.Process.Pid, func(e Exit) { exits <- e })()
	if err := watched.Process.Signal(syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, "the core dump or exit", exits); e.Kind != ExitProcess {
		t.Errorf("got %v first, want the process's end", e.Kind)
	}
}

func TestConnectorTellsThreadsFromProcesses(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	exits := make(chan Exit, 100)
	defer c.Watch(os.Getpid(), func(e Exit) { exits <- e })()
	endThreads()
	if e := wait(t, "the exit of a thread", exits); e.Kind != ExitThread || e.PID != os.Getpid() {
		t.Errorf("got %+v, want the exit of a thread of %d", e, os.Getpid())
	}
}

// endThreads makes threads of this process end: those of goroutines that end while locked to them. They are locked all
// at once, since the process's first thread, which one of them may have, does not end.
func endThreads() {
	var locked, done sync.WaitGroup
	release := make(chan struct{})
	for range 8 {
		locked.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			locked.Done()
			<-release
		})
	}
	locked.Wait()
	close(release)
	done.Wait()
}

func TestConnectorIsSilentAfterCancel(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	first, second := startSleeper(t), startSleeper(t)
	exits := make(chan Exit, 100)
	cancel := c.Watch(first.Process.Pid, func(e Exit) { exits <- e })
	defer c.Watch(second.Process.Pid, func(e Exit) { exits <- e })()
	cancel()
	cancel() // Twice is once.
	kill(t, first)
	kill(t, second)
	if e := wait(t, "the exit", exits); e.PID != second.Process.Pid {
		t.Errorf("got %+v, want only process %d", e, second.Process.Pid)
	}
}

// TestConnectorSaysThatEventsWereLost stops the delivery until the kernel has no room left.
func TestConnectorSaysThatEventsWereLost(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	if err := c.raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	blocked, release, missed := make(chan struct{}), make(chan struct{}), make(chan Exit, 1)
	first := true
	defer c.Watch(os.Getpid(), func(e Exit) {
		if first {
			first = false
			close(blocked)
			<-release
		}
		if e.Kind == ExitMissed {
			select {
			case missed <- e:
			default:
			}
		}
	})()
	endThreads()
	wait(t, "the first event", blocked)
	for range 12 {
		endThreads()
	}
	close(release)
	wait(t, "word of missed events", missed)
	if c.Counters().Overruns == 0 {
		t.Error("no overrun was counted")
	}
}

// TestConnectorBelievesOnlyTheKernel sends it an exit event from another socket.
func TestConnectorBelievesOnlyTheKernel(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	exits := make(chan Exit, 1)
	defer c.Watch(1, func(e Exit) { exits <- e })()
	var to unix.Sockaddr
	var errName error
	if err := errors.Join(c.raw.Control(func(fd uintptr) { to, errName = unix.Getsockname(int(fd)) }), errName); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_CONNECTOR)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	dst := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: to.(*unix.SockaddrNetlink).Pid}
	if err := unix.Sendto(fd, exitMessage(1, 1), 0, dst); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); c.Counters().Malformed == 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("the forged message was not counted")
		}
	}
	select {
	case e := <-exits:
		t.Errorf("a forged message was believed: %+v", e)
	default:
	}
}

// exitMessage makes an exit event as the kernel does.
func exitMessage(pid, tgid int) []byte {
	event := make([]byte, 40)
	binary.NativeEndian.PutUint32(event, eventExit)
	binary.NativeEndian.PutUint64(event[eventTimeOffset:], 123456789)
	binary.NativeEndian.PutUint32(event[eventDataOffset:], uint32(pid))
	binary.NativeEndian.PutUint32(event[eventDataOffset+4:], uint32(tgid))
	return encodeOp(0, event)
}

func TestConnectorEndsWhenClosed(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	select {
	case <-c.Done():
		t.Fatal("done before it was closed")
	default:
	}
	other, err := OpenConnector()
	if err != nil {
		t.Fatal(err)
	}
	missed := make(chan Exit, 1)
	other.Watch(os.Getpid(), func(e Exit) {
		if e.Kind == ExitMissed {
			missed <- e
		}
	})
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the end of the connector", other.Done())
	wait(t, "word that no more events come", missed)
}

// TestConnectorIsNotAllowedInNamespaces opens it in a user and network namespace, where the kernel says no, and in a
// user and process-id namespace, where it says nothing.
func TestConnectorIsNotAllowedInNamespaces(t *testing.T) {
	for name, flags := range map[string]uintptr{
		"user_and_network": syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		"user_and_process": syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), childVariable+"=open", "GORACE=atexit_sleep_ms=0")
			cmd.SysProcAttr = apart.Attributes(flags)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("a user namespace is needed (kernel.unprivileged_userns_clone, user.max_user_namespaces): %v: %s", err, out)
			}
			if got := strings.TrimSpace(string(out)); got != "not allowed" {
				t.Errorf("got %q, want that it is not allowed", got)
			}
		})
	}
}

// TestConnectorCrossesIntoANetworkNamespace hands the socket to a program in another network namespace, which could not
// open one itself.
func TestConnectorCrossesIntoANetworkNamespace(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	file, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := c.Close(); err != nil { // Else it would take what is meant for the child.
		t.Fatal(err)
	}
	watched := startSleeper(t)
	cmd := exec.Command("/proc/self/exe", strconv.Itoa(watched.Process.Pid))
	cmd.Env = append(os.Environ(), childVariable+"=inherit", "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	startProcess(t, cmd)
	lines := make(chan string, 10)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	if got := wait(t, "the child", lines); got != "watching; opening here is not allowed: true" {
		t.Fatalf("the child says %q", got)
	}
	kill(t, watched)
	if got, want := wait(t, "the exit", lines), "exited "+strconv.Itoa(watched.Process.Pid); got != want {
		t.Errorf("the child says %q, want %q", got, want)
	}
	if rest, open := <-lines; open {
		t.Errorf("the child also says %q", rest)
	}
}

func TestConnectorFromAFileThatIsNoConnector(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if c, err := ConnectorFromFile(w); err == nil {
		t.Error(errors.New("a pipe was taken for a connector"), c.Close())
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file was not closed: %v", err)
	}
}

func TestExitFilterFits(t *testing.T) {
	for _, n := range []int{0, 1, filterPIDsMax, filterPIDsMax + 1} {
		program := exitFilter(make([]int, n))
		for i, in := range program {
			if target := i + 1 + int(in.Jt); in.Code&0x07 == unix.BPF_JMP && target >= len(program) {
				t.Errorf("%d processes: instruction %d jumps to %d of %d", n, i, target, len(program))
			}
		}
	}
}
