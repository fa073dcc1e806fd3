package health

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startMemcached starts the real server on loopback. That it is ready is for the prober to see.
func startMemcached(t *testing.T, addr netip.AddrPort, more ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("memcached")
	if err != nil {
		t.Fatalf("this test needs the memcached package: %v", err)
	}
	args := []string{"-l", addr.Addr().String(), "-p", strconv.Itoa(int(addr.Port())), "-U", "0", "-m", "16"}
	if os.Geteuid() == 0 && !slices.Contains(more, "-u") {
		args = append(args, "-u", "root") // It does not start as root unless told so.
	}
	cmd := exec.Command(path, append(args, more...)...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	startProcess(t, cmd)
	return cmd
}

// freeAddress returns a loopback address whose port was free a moment ago.
func freeAddress(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// nextUp waits for the report that an instance is up. A server that was just started may be found too early: one
// report that it is not there yet may come before.
func nextUp(t *testing.T, reports <-chan Report) Report {
	t.Helper()
	r := wait(t, "an instance", reports)
	if !r.Up && r.Reason == ReasonRefused {
		r = wait(t, "an instance that is up", reports)
	}
	if !r.Up || r.Reason != ReasonNone {
		t.Fatalf("got %+v, want up", r)
	}
	return r
}

// probed is a real server at an address of its own, and a prober that has found it up.
type probed struct {
	*exec.Cmd
	addr    netip.AddrPort
	prober  *Prober
	reports <-chan Report
}

// awaitSource waits until the prober says what would tell of the next death.
func (p probed) awaitSource(t *testing.T, want string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); p.prober.Source() != want; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("source %q after %v, want %q", p.prober.Source(), patience, want)
		}
	}
}

// startProbed starts both, the server with more arguments.
func startProbed(t *testing.T, o Options, more ...string) probed {
	t.Helper()
	addr := freeAddress(t)
	cmd := startMemcached(t, addr, more...)
	p, reports := probe(t, addr, o)
	if r := nextUp(t, reports); r.PID != cmd.Process.Pid {
		t.Errorf("process %d is up, want %d", r.PID, cmd.Process.Pid)
	}
	return probed{cmd, addr, p, reports}
}

func TestMemcachedKilledAndRestarted(t *testing.T) {
	first := startProbed(t, Options{})
	if got := first.prober.Source(); got != SourceConnection {
		t.Errorf("source %q without a connector", got)
	}
	kill(t, first.Cmd)
	r := wait(t, "the end", first.reports)
	if r.Up || r.Reason != ReasonExited && r.Reason != ReasonClosed || r.PID != first.Process.Pid {
		t.Fatalf("got %+v, want that process %d is down", r, first.Process.Pid)
	}
	const tick = time.Second / ticksPerSec
	before := boottime(t)
	second := startMemcached(t, first.addr)
	r = next(t, first.reports, true, ReasonNone)
	if r.PID != second.Process.Pid {
		t.Errorf("process %d is up, want %d", r.PID, second.Process.Pid)
	}
	if r.Began <= before-tick || r.Began > boottime(t) {
		t.Errorf("it began %s after boot, want after %s and before now", r.Began, before)
	}
}

// boottime reads the clock that Began is of.
func boottime(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// TestMemcachedKilledIsSeenByEndOfConnection asks nothing, so only the idle connection's end can tell.
func TestMemcachedKilledIsSeenByEndOfConnection(t *testing.T) {
	m := startProbed(t, idle)
	kill(t, m.Cmd)
	if r := wait(t, "the end", m.reports); r.Up || r.Reason != ReasonExited && r.Reason != ReasonClosed {
		t.Fatalf("got %+v, want down", r)
	}
}

// TestMemcachedKilledIsSeenByConnector keeps all of the dead server's sockets open, as the kernel does while it frees a
// big cache, and asks nothing: only the connector can tell.
func TestMemcachedKilledIsSeenByConnector(t *testing.T) {
	c := openForTest(t)
	if c == nil {
		return
	}
	o := idle
	o.Connector = c
	m := startProbed(t, o)
	if got := m.prober.Source(); got != SourceConnector {
		t.Errorf("source %q with a connector", got)
	}
	sockets := holdSockets(t, m.Process.Pid)
	before := time.Now()
	kill(t, m.Cmd)
	r := next(t, m.reports, false, ReasonExited)
	if r.PID != m.Process.Pid || r.At.Before(before.Add(-time.Second)) || r.At.After(time.Now()) {
		t.Errorf("got %+v, killed %d at %v", r, m.Process.Pid, before)
	}
	m.awaitSource(t, SourceConnection) // it is down before this is cleared up
	closeAll(t, sockets)
	second := startMemcached(t, m.addr)
	if r := next(t, m.reports, true, ReasonNone); r.PID != second.Process.Pid {
		t.Errorf("process %d is up, want %d", r.PID, second.Process.Pid)
	}
	if got := m.prober.Source(); got != SourceConnector {
		t.Errorf("source %q after the restart", got)
	}
}

// TestMemcachedKilledIsSeenInProc keeps the dead server's sockets open too, without a connector: the first question
// that stays unanswered makes the prober look, long before fall deadlines have passed.
func TestMemcachedKilledIsSeenInProc(t *testing.T) {
	m := startProbed(t, Options{Deadline: time.Hour, FreshInterval: time.Hour})
	holdSockets(t, m.Process.Pid)
	kill(t, m.Cmd)
	next(t, m.reports, false, ReasonExited)
}

// holdSockets makes copies of a process's sockets, which so outlive it, and closes them with the test at the latest.
func holdSockets(t *testing.T, pid int) []*os.File {
	t.Helper()
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(process)
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var sockets []*os.File
	for _, entry := range entries {
		target, err := os.Readlink(dir + "/" + entry.Name())
		if err != nil || !strings.HasPrefix(target, "socket:") {
			continue
		}
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdGetfd(process, number, 0)
		if err != nil {
			t.Fatalf("copying another process's socket needs the right to trace it: %v", err)
		}
		sockets = append(sockets, os.NewFile(uintptr(fd), target))
	}
	if len(sockets) < 2 {
		t.Fatalf("process %d has %d sockets, want a listener and a connection", pid, len(sockets))
	}
	t.Cleanup(func() { closeAll(t, sockets) })
	return sockets
}

func closeAll(t *testing.T, files []*os.File) {
	t.Helper()
	for _, f := range files {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestMemcachedStoppedAndContinued(t *testing.T) {
	m := startProbed(t, Options{})
	for range 2 {
		if err := m.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		next(t, m.reports, false, ReasonTimeout)
		if err := m.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if r := next(t, m.reports, true, ReasonNone); r.PID != m.Process.Pid {
			t.Errorf("process %d is up, want %d", r.PID, m.Process.Pid)
		}
	}
}

// TestMemcachedKilledWhileStopped: down for silence, then gone; the report says so.
func TestMemcachedKilledWhileStopped(t *testing.T) {
	m := startProbed(t, Options{})
	if err := m.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	next(t, m.reports, false, ReasonTimeout)
	kill(t, m.Cmd)
	if r := wait(t, "the new reason", m.reports); r.Up || !r.Reason.gone() {
		t.Errorf("got %+v, want that the process is gone", r)
	}
}

func TestMemcachedStoppedByOperator(t *testing.T) {
	m := startProbed(t, Options{})
	if err := m.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := wait(t, "the end", m.reports); r.Up || !r.Reason.gone() {
		t.Errorf("got %+v, want that the process is gone", r)
	}
}

// startWatched starts a memcached that is hardly asked anything, whose threads' ends the test hears of beside the prober. It is
// not ok where the process connector is not to be had.
func startWatched(t *testing.T) (m probed, ends chan Exit, ok bool) {
	t.Helper()
	o := idle
	if o.Connector = openForTest(t); o.Connector == nil {
		return probed{}, nil, false
	}
	m = startProbed(t, o)
	ends = make(chan Exit, 100)
	t.Cleanup(o.Connector.Watch(m.Process.Pid, func(e Exit) { ends <- e }))
	return m, ends, true
}

// TestMemcachedThreadEnds: the one command that ends a thread of a healthy server must not look like death.
func TestMemcachedThreadEnds(t *testing.T) {
	m, ends, ok := startWatched(t)
	if !ok {
		return
	}
	if got := command(t, m.addr, "lru_crawler disable"); got != "OK" {
		t.Fatalf("memcached says %q", got)
	}
	if e := wait(t, "the thread's end", ends); e.Kind != ExitThread {
		t.Fatalf("got %v, want a thread's end", e.Kind)
	}
	kill(t, m.Cmd)
	// Had the thread's end been taken for death, this would be the report after that one.
	if r := next(t, m.reports, false, ReasonExited); r.Detail == "" {
		t.Error("no detail")
	}
	select {
	case r := <-m.reports:
		t.Errorf("one report too many: %+v", r)
	default:
	}
}

// TestMemcachedKilled: whichever of its threads ends first, it is known for the process's end, without a look at /proc.
func TestMemcachedKilled(t *testing.T) {
	m, ends, ok := startWatched(t)
	if !ok {
		return
	}
	kill(t, m.Cmd)
	for n := range 4 { // as many as work for clients; there are others
		if e := wait(t, "a thread's end", ends); e.Kind != ExitProcess {
			t.Errorf("the end of thread %d: %v, want the process's", n+1, e.Kind)
		}
	}
	next(t, m.reports, false, ReasonExited)
}

// command sends one line and returns the first of the answer.
func command(t *testing.T, addr netip.AddrPort, line string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(line + "\r\n")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1000)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b[:n]))
}

func TestMemcachedFull(t *testing.T) {
	m := startProbed(t, Options{FreshInterval: 50 * time.Millisecond}, "-c", "40")
	clients := make([]net.Conn, 100)
	for i := range clients {
		c, err := net.Dial("tcp", m.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients[i] = c
	}
	next(t, m.reports, true, ReasonFull)
	for _, c := range clients {
		c.Close()
	}
	next(t, m.reports, true, ReasonNone)
}

func TestMemcachedWantsLogin(t *testing.T) {
	addr := freeAddress(t)
	users := t.TempDir() + "/users"
	if err := os.WriteFile(users, []byte("user:password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := startMemcached(t, addr, "-Y", users)
	_, reports := probe(t, addr, Options{})
	r := wait(t, "an instance", reports)
	if !r.Up {
		r = wait(t, "an instance that is up", reports)
	}
	// It does not tell its process id, but its listening socket does.
	if !r.Up || r.Reason != ReasonLogin || r.PID != first.Process.Pid {
		t.Fatalf("got %+v, want up, login, process %d", r, first.Process.Pid)
	}
	kill(t, first)
	if r := wait(t, "the end", reports); r.Up || !r.Reason.gone() {
		t.Errorf("got %+v, want that the process is gone", r)
	}
}

// TestMemcachedOfAnotherUser: its open files can be seen only with the right to trace it. Known it is in both cases.
func TestMemcachedOfAnotherUser(t *testing.T) { startProbed(t, Options{}, "-u", "nobody") }

// TestPlausible: without the right to see a process's files, the id it tells has to fit what /proc shows to everybody.
func TestPlausible(t *testing.T) {
	cmd := startMemcached(t, freeAddress(t))
	pid := cmd.Process.Pid
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !plausible(pid, 2); <-tick.C {
		if time.Now().After(deadline) { // Until exec, it has the test's name.
			t.Fatal("a memcached that just started, and says so, is not believed")
		}
	}
	if plausible(pid, 1000) {
		t.Error("a memcached that says it is older than its process is believed")
	}
	if plausible(os.Getpid(), 2) || plausible(0, 0) || plausible(1<<30, 0) {
		t.Error("a process that is no memcached is believed")
	}
}

func TestListenerInode(t *testing.T) {
	for _, bind := range []struct{ listen, ask string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {"[::]:0", "127.0.0.1"},
	} {
		l, err := net.Listen("tcp", bind.listen)
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.MustParseAddr(bind.ask), l.Addr().(*net.TCPAddr).AddrPort().Port())
		inode, err := listenerInode(addr)
		if err != nil {
			t.Fatalf("listening at %s: %v", bind.listen, err)
		}
		if ok, err := holds(os.Getpid(), inode); err != nil || !ok {
			t.Errorf("socket %d of %s is not found in this process: %v", inode, bind.listen, err)
		}
		if pid := owner(t.Context(), inode, 0); pid != os.Getpid() {
			t.Errorf("socket %d of %s is found in process %d, want %d", inode, bind.listen, pid, os.Getpid())
		}
		l.Close()
		if inode, err := listenerInode(addr); !errors.Is(err, unix.ENOENT) {
			t.Errorf("a closed listener has inode %d, error %v, want ENOENT", inode, err)
		}
	}
}
