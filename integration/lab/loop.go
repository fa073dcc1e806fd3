package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// loop is a client's one thread: a timer and all sockets in one epoll set. Three VIPs at a thousand
// attempts a second each must cost little beside what is measured, hence no goroutine and no garbage
// per attempt, and no lock but the record's.
type loop struct {
	o       ClientOptions
	rec     *Record
	who     func(pid int) string
	epoll   int
	timer   int
	drivers []*driver
	slots   []*conn // by number, which epoll hands back; nil where closed
	unused  []int32 // free numbers
	lives   int32   // connections made, to tell an event of one from its successor's
	buf     []byte  // for reading
	out     []byte  // for writing
	last    Instant // the latest tick
}

// driver makes the attempts through one VIP.
type driver struct {
	vip    int // index in the record
	addr   unix.SockaddrInet4
	ledger *ledger
	turn   uint64     // counts operations: they alternate between write and read
	idle   []*conn    // last in, first out
	busy   *conn      // head of the connections with an attempt under way, oldest first
	tail   *conn      // Invariant: nil if and only if busy is
	server serverMemo // the last process seen
}

// serverMemo saves the search in the record for a process that was just seen.
type serverMemo struct {
	pid   int
	index int32
}

const (
	readBuffer = 64 << 10
	// idleMax is how long a connection may wait for work before it is closed; only bursts leave such behind.
	idleMax = time.Second
	// catchUpMax bounds the attempts made at once per VIP after the machine held the client up.
	catchUpMax = 100
	// stallMin is the least delay of a tick that is worth a note.
	stallMin = 5 * time.Millisecond
	// timerNumber is the timer's number in the epoll set.
	timerNumber = -1
)

func newLoop(o ClientOptions, rec *Record, who func(int) string, prefix string) (*loop, error) {
	l := &loop{o: o, rec: rec, who: who, epoll: -1, timer: -1, buf: make([]byte, readBuffer)}
	for i, vip := range o.VIPs {
		l.drivers = append(l.drivers, newDriver(i, vip, o, fmt.Sprintf("%s-v%d", prefix, i)))
	}
	if err := l.open(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func newDriver(i int, vip netip.Addr, o ClientOptions, prefix string) *driver {
	return &driver{
		vip:    i,
		addr:   unix.SockaddrInet4{Port: Port, Addr: vip.As4()},
		ledger: newLedger(prefix, o.Keys, o.Writes),
	}
}

func (l *loop) open() error {
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("lab: client: make epoll set: %w", err)
	}
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return fmt.Errorf("lab: client: make timer: %w", err)
	}
	every := unix.NsecToTimespec(l.o.Interval.Nanoseconds())
	if err := unix.TimerfdSettime(l.timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return fmt.Errorf("lab: client: set timer: %w", err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: timerNumber}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.timer, &event); err != nil {
		return fmt.Errorf("lab: client: watch timer: %w", err)
	}
	return nil
}

// run works until stop is set.
func (l *loop) run(stop *atomic.Bool) error {
	defer l.close()
	l.last = Now()
	events := make([]unix.EpollEvent, 256)
	for !stop.Load() {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lab: client: wait: %w", err)
		}
		tick := false
		for _, e := range events[:max(n, 0)] {
			if e.Fd == timerNumber {
				tick = true
				continue
			}
			l.ready(e)
		}
		if tick {
			l.tick()
		}
		l.rec.settle(Now())
	}
	return nil
}

func (l *loop) close() {
	for _, c := range l.slots {
		if c != nil {
			unix.Close(c.fd)
		}
	}
	for _, fd := range []int{l.timer, l.epoll} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// tick makes the attempts that have come due, and ends those that have waited too long.
func (l *loop) tick() {
	var b [8]byte
	if _, err := unix.Read(l.timer, b[:]); err != nil {
		return // an early look: there is no tick yet
	}
	due := binary.NativeEndian.Uint64(b[:])
	now := Now()
	if late := now.Sub(l.last) - l.o.Interval; late >= stallMin {
		l.rec.stalled(Stall{At: now, Length: late})
	}
	l.last = now
	for _, d := range l.drivers {
		l.expire(d, now)
		for range min(due, catchUpMax) {
			l.attempt(d)
		}
	}
}

// expire ends attempts whose time is up and connections that nobody has needed for long.
func (l *loop) expire(d *driver, now Instant) {
	for d.busy != nil && d.busy.deadline <= now {
		l.fail(d.busy, FailureTimeout, "")
	}
	drop := 0
	for drop < len(d.idle) && now.Sub(d.idle[drop].since) > idleMax {
		l.discard(d.idle[drop])
		drop++
	}
	if drop > 0 {
		d.idle = append(d.idle[:0], d.idle[drop:]...)
	}
}

// attempt begins one operation, on the connection that was used last or on a new one.
func (l *loop) attempt(d *driver) {
	if l.o.Discipline == ClosedLoop && d.busy != nil {
		return
	}
	now := Now()
	if n := len(d.idle); n > 0 {
		c := d.idle[n-1]
		d.idle = d.idle[:n-1]
		l.begin(c, now)
		c.deadline = now.Add(l.o.AnswerTimeout)
		l.ask(c)
		return
	}
	c, err := l.dial(d)
	if err != nil {
		l.rec.failed(d.vip, Failed{Begun: now, At: Now(), Why: failureOf(err), Detail: err.Error()})
		return
	}
	l.begin(c, now)
	c.deadline = now.Add(l.o.AnswerTimeout)
	if l.o.Discipline == ClosedLoop {
		c.deadline = now.Add(l.o.DialTimeout)
	}
}

// begin puts a connection at the end of the busy ones. All attempts of an open loop may take equally long and a closed
// loop has but one, so the list is ordered by deadline.
func (l *loop) begin(c *conn, now Instant) {
	d := c.driver
	c.busy, c.begun = true, now
	c.prev, c.next = d.tail, nil
	if d.tail != nil {
		d.tail.next = c
	} else {
		d.busy = c
	}
	d.tail = c
}

// end takes a connection out of the busy ones.
func (c *conn) end() {
	d := c.driver
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		d.busy = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		d.tail = c.prev
	}
	c.busy, c.prev, c.next = false, nil, nil
}

// failureOf classifies what a socket said.
func failureOf(err error) Failure {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return FailureRefused
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNABORTED):
		return FailureReset
	case errors.Is(err, unix.ETIMEDOUT):
		return FailureTimeout
	default:
		return FailureUnreachable
	}
}
