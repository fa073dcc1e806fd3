package lab

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Discipline is when a client makes its next attempt.
type Discipline uint8

const (
	// OpenLoop makes a new attempt at every tick whatever is still unanswered, as independent users do.
	// An outage is seen to the millisecond.
	OpenLoop Discipline = iota
	// ClosedLoop keeps one connection for each VIP and makes no attempt before the last one ended. An
	// outage is seen no finer than its time-outs. It is the client of the keepalived baseline.
	ClosedLoop
)

func (d Discipline) String() string {
	switch d {
	case OpenLoop:
		return "open loop"
	case ClosedLoop:
		return "closed loop"
	}
	return fmt.Sprintf("discipline(%d)", uint8(d))
}

// ClientOptions says how a client behaves. The zero value is an open loop with a new attempt through every VIP
// each millisecond.
type ClientOptions struct {
	Discipline Discipline
	VIPs       []netip.Addr  // all of the lab if nil
	Interval   time.Duration // between attempts through one VIP; 1 ms if zero

	// DialTimeout and AnswerTimeout end a closed loop's attempt; 100 ms each if zero. An open loop's attempt ends
	// AnswerTimeout after it began, 1 s if zero, and DialTimeout is not used.
	DialTimeout, AnswerTimeout time.Duration

	Keys   int // per VIP; 32 if zero. Each is written and read about once in 2 x Keys x Interval
	Writes int // writes under way at once per VIP; 4 if zero. An outage costs that many keys
}

func (o ClientOptions) withDefaults() ClientOptions {
	setDefault(&o.Interval, time.Millisecond)
	setDefault(&o.DialTimeout, 100*time.Millisecond)
	if o.Discipline == ClosedLoop {
		setDefault(&o.AnswerTimeout, 100*time.Millisecond)
	}
	setDefault(&o.AnswerTimeout, time.Second)
	setDefault(&o.Keys, 32)
	setDefault(&o.Writes, 4)
	return o
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Client reads and writes through every VIP until closed. Its Record tells what it saw.
type Client struct {
	*Record
	stop   atomic.Bool
	thread *thread
	once   sync.Once
	used   time.Duration // of processor time; set when the loop has ended
	err    error
}

// clientNice is the scheduling priority of a client's thread, where that is allowed.
const clientNice = -10

// clientsMade tells the keys of one client from those of the others.
var clientsMade atomic.Int64

// StartClient starts a client in the client's namespace. It ends with Client.Close or with the lab.
func (l *Lab) StartClient(o ClientOptions) (*Client, error) {
	o = o.withDefaults()
	if o.VIPs == nil {
		o.VIPs = l.Addrs()
	}
	c := &Client{Record: newRecord(o.VIPs)}
	var lp *loop
	var err error
	c.thread, err = newThread(func() (err error) {
		if err := unix.Setns(int(l.client.ns), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("lab: enter the client's namespace: %w", err)
		}
		// The client stands for another machine, so it should not queue behind the hosts it watches. Without the
		// right to this it measures as well, with more stalls.
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), clientNice)
		lp, err = newLoop(o, c.Record, l.hostOfPID, fmt.Sprintf("c%d", clientsMade.Add(1)))
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		// The loop's one error is kept for Close.
		_ = c.thread.do(func() error {
			before := threadTime()
			c.err = lp.run(&c.stop)
			c.used = threadTime() - before
			return nil
		})
		c.thread.close()
	}()
	l.onClose(func() { _ = c.Close() })
	return c, nil
}

// Close ends the client and its connections. Its record can be read on. It returns the error that ended
// the client before its time, if one did.
func (c *Client) Close() error {
	c.once.Do(func() { c.stop.Store(true) })
	<-c.thread.done
	return c.err
}

// Used is the processor time that the client took in all, known after Close.
func (c *Client) Used() time.Duration {
	<-c.thread.done
	return c.used
}

// threadTime is the processor time that the calling thread has used.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
