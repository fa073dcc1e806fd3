package health

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotAllowed means that the kernel does not give process events here: it does so only to a privileged process in
// the first user, process-id and network namespaces, and only if it was built with CONFIG_PROC_EVENTS.
var ErrNotAllowed = errors.New("process events are not available here")

// ExitKind says what an Exit means.
type ExitKind int

// The kinds of exit.
const (
	// ExitProcess: the thread group's leader ended, or another thread did by SIGKILL, or the process began to dump core.
	ExitProcess ExitKind = iota
	// ExitThread: another thread of the process ended. In memcached that is the first sign of death, bar one command.
	ExitThread
	// ExitMissed: the kernel dropped events, or the connector has failed; an exit may have been among them.
	ExitMissed
)

func (k ExitKind) String() string {
	switch k {
	case ExitProcess:
		return "process"
	case ExitThread:
		return "thread"
	case ExitMissed:
		return "missed"
	}
	return fmt.Sprintf("exit(%d)", int(k))
}

// Exit is one event about a watched process.
type Exit struct {
	Kind ExitKind
	PID  int
	At   time.Time // the kernel's time of the event; of its receipt for ExitMissed
}

// ConnectorCounters counts since the connector was opened.
type ConnectorCounters struct {
	Events    uint64 // exit events received that concern a watched process
	Malformed uint64 // messages dropped because they could not be decoded or did not come from the kernel
	Overruns  uint64 // times the kernel said that it dropped events
}

// Connector receives the exits of watched processes from the kernel's process connector. One serves any number of
// probers. Its methods are safe for concurrent use.
type Connector struct {
	file *os.File
	raw  syscall.RawConn
	done chan struct{} // closed when the reading goroutine has ended

	mu      sync.Mutex
	watches map[*watch]struct{}
	shared  bool // File was called: the kernel's subscription belongs to the copy too

	events, malformed, overruns atomic.Uint64
}

type watch struct {
	pid    int
	notify func(Exit)
}

// OpenConnector subscribes to process events. The error wraps ErrNotAllowed where the kernel does not give them.
func OpenConnector() (*Connector, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("health: open process connector: %w", notAllowed(err))
	}
	if err := subscribe(fd); err != nil {
		_ = unix.Close(fd) // The first error tells more.
		return nil, fmt.Errorf("health: open process connector: %w", err)
	}
	c, err := newConnector(os.NewFile(uintptr(fd), "process connector"))
	if err != nil {
		return nil, fmt.Errorf("health: open process connector: %w", err)
	}
	return c, nil
}

// ConnectorFromFile takes over a subscribed socket that another process, or an earlier life of this one, opened and
// handed down; see Connector.File. It owns f from then on, also when it fails.
func ConnectorFromFile(f *os.File) (*Connector, error) {
	c, err := adopt(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("health: take over process connector: %w", err), f.Close())
	}
	return c, nil
}

func adopt(f *os.File) (*Connector, error) {
	// A copy made here is known to this process's poller whatever mode f was in.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	domain, errDomain := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	protocol, errProtocol := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	err = errors.Join(errDomain, errProtocol)
	if err == nil && (domain != unix.AF_NETLINK || protocol != unix.NETLINK_CONNECTOR) {
		err = fmt.Errorf("want a netlink socket of the process connector, got domain %d protocol %d", domain, protocol)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		_ = unix.Close(fd) // The first error tells more.
		return nil, err
	}
	c, err := newConnector(os.NewFile(uintptr(fd), "process connector"))
	if err != nil {
		return nil, err
	}
	_ = f.Close() // The copy is in use; nothing depends on the original.
	return c, nil
}

// newConnector owns file, also when it fails.
func newConnector(file *os.File) (*Connector, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	c := &Connector{file: file, raw: raw, done: make(chan struct{}), watches: make(map[*watch]struct{})}
	c.mu.Lock()
	c.setFilter()
	c.mu.Unlock()
	go c.read()
	return c, nil
}

// File returns a copy of the subscribed socket, to be inherited by another program; the caller closes it. It goes on
// delivering in whatever network namespace its process enters. Both copies take from one queue: close this connector
// before the other is used. The copy is close-on-exec, as every file of Go is: pass it as
// exec.Cmd's ExtraFiles, or clear the flag before syscall.Exec.
func (c *Connector) File() (*os.File, error) {
	c.mu.Lock()
	c.shared = true
	c.mu.Unlock()
	var fd int
	var err error
	if errControl := c.raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); errControl != nil {
		err = errControl
	}
	if err != nil {
		return nil, fmt.Errorf("health: copy process connector: %w", err)
	}
	return os.NewFile(uintptr(fd), "process connector"), nil
}

// Watch calls notify for every exit event of the process with this id, as seen from the first process-id namespace,
// and when events may have been missed. A process that ended before Watch returned gives none: the caller looks at it
// afterwards. notify runs on the connector's goroutine: it must not block, nor call the connector. Once cancel has
// returned, notify is not called any more.
func (c *Connector) Watch(pid int, notify func(Exit)) (cancel func()) {
	w := &watch{pid: pid, notify: notify}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches[w] = struct{}{}
	c.setFilter()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, ok := c.watches[w]; ok {
			delete(c.watches, w)
			c.setFilter()
		}
	}
}

// Done is closed when the connector delivers no more, because it was closed or its socket failed.
func (c *Connector) Done() <-chan struct{} { return c.done }

func (c *Connector) delivers() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Counters returns what has been counted so far.
func (c *Connector) Counters() ConnectorCounters {
	return ConnectorCounters{Events: c.events.Load(), Malformed: c.malformed.Load(), Overruns: c.overruns.Load()}
}

// Close ends the subscription, unless File gave it away too, and waits until no notify runs. Twice is once.
func (c *Connector) Close() error {
	c.mu.Lock()
	shared := c.shared
	c.mu.Unlock()
	if !shared {
		// Kernels before 6.6 do not notice that a subscriber's socket is closed and go on making events for nobody.
		_ = c.raw.Control(func(s uintptr) { _ = sendOp(int(s), opIgnore, 0) })
	}
	err := c.file.Close()
	<-c.done
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("health: close process connector: %w", err)
	}
	return nil
}

// read delivers events until the socket is closed or fails.
func (c *Connector) read() {
	defer close(c.done)
	buf := make([]byte, 4096) // A message has 76 bytes, and the kernel sends one at a time.
	for {
		n, from, err := c.receive(buf)
		switch {
		case err == nil:
			c.deliver(buf[:n], from)
		case errors.Is(err, unix.ENOBUFS):
			c.overruns.Add(1)
			c.missed()
		case errors.Is(err, unix.EINTR):
		default:
			c.missed()
			return
		}
	}
}

func (c *Connector) receive(buf []byte) (n int, from unix.Sockaddr, err error) {
	errRead := c.raw.Read(func(s uintptr) bool {
		// MSG_DONTWAIT because a holder of File's copy may have made the shared socket a blocking one.
		n, from, err = unix.Recvfrom(int(s), buf, unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
	if errRead != nil {
		return 0, nil, errRead
	}
	return n, from, err
}

// deliver drops what did not come from the kernel: other privileged processes can send to this socket too.
func (c *Connector) deliver(b []byte, from unix.Sockaddr) {
	kernel, ok := from.(*unix.SockaddrNetlink)
	if !ok || kernel.Pid != 0 {
		c.malformed.Add(1)
		return
	}
	for {
		ev, rest, err := decodeProcEvent(b)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.malformed.Add(1)
			return
		}
		c.dispatch(ev)
		b = rest
	}
}

func (c *Connector) dispatch(ev procEvent) {
	if !ev.ends() {
		return
	}
	exit := Exit{Kind: ExitThread, PID: ev.tgid, At: wallTime(ev.monotonic)}
	if ev.endsProcess() {
		exit.Kind = ExitProcess
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watches {
		if w.pid == ev.tgid {
			c.events.Add(1)
			w.notify(exit)
		}
	}
}

func (c *Connector) missed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watches {
		w.notify(Exit{Kind: ExitMissed, PID: w.pid, At: time.Now()})
	}
}

// wallTime turns the kernel's monotonic time of an event, which is not in the future, into a time.Time of this
// process. A time that cannot be right becomes now.
func wallTime(monotonic time.Duration) time.Time {
	now := time.Now()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return now
	}
	age := time.Duration(ts.Nano()) - monotonic
	if age < 0 || age > time.Minute {
		return now
	}
	return now.Add(-age)
}
