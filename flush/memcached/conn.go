package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// lineBytesMax bounds one line of a reply. memcached's longest is a path in stats settings (4096 bytes at most).
const lineBytesMax = 8 << 10

// Conn is one connection to a memcached server. It is not for concurrent use. Every call is bounded by its context:
// the deadline, and cancellation too. After an error that is not a *ReplyError the connection is of no more use, since
// a late answer would be taken for the next one; every later call then returns that first error.
type Conn struct {
	nc     net.Conn
	r      *bufio.Reader
	name   string
	broken error // Invariant: once set, nothing is sent or read again.
}

// Dial connects to the server at addr over TCP.
func Dial(ctx context.Context, addr netip.AddrPort) (*Conn, error) {
	dialer := net.Dialer{KeepAlive: -1}
	nc, err := dialer.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("memcached: %s: connect: %w", addr, timeoutAsContext(ctx, bareCause(err)))
	}
	return New(nc, addr.String()), nil
}

// New speaks over an established connection and owns it from then on; name is what errors call the server.
func New(nc net.Conn, name string) *Conn {
	return &Conn{nc: nc, r: bufio.NewReaderSize(nc, lineBytesMax), name: name}
}

// Close ends the connection. The server sees it end, whatever it was doing.
func (c *Conn) Close() error {
	if err := c.nc.Close(); err != nil {
		return fmt.Errorf("memcached: close %s: %w", c.name, bareCause(err))
	}
	return nil
}

// roundTrip sends one command line and lets read take its reply, all within ctx.
func (c *Conn) roundTrip(ctx context.Context, command string, read func(*lines) error) error {
	if c.broken != nil {
		return c.broken
	}
	release, err := c.bind(ctx)
	if err == nil {
		err = c.exchange(command, read)
		release()
	}
	if err == nil {
		return nil
	}
	var reply *ReplyError
	if errors.As(err, &reply) {
		return fmt.Errorf("memcached: %s: %w", c.name, err)
	}
	c.broken = fmt.Errorf("memcached: %s: %s: %w", c.name, command, timeoutAsContext(ctx, bareCause(err)))
	return c.broken
}

// exchange reads even when the write failed: a server that is full answers first, unasked, and then closes.
func (c *Conn) exchange(command string, read func(*lines) error) error {
	_, writeErr := c.nc.Write([]byte(command + "\r\n"))
	err := read(&lines{r: c.r, command: command})
	var reply *ReplyError
	if writeErr != nil && !errors.As(err, &reply) {
		return writeErr
	}
	return err
}

// bind makes the connection's deadline follow ctx until the returned function is called.
func (c *Conn) bind(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline() // The zero time means none.
	if err := c.nc.SetDeadline(deadline); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// The failure of this call is the failure of the read it would have interrupted.
		_ = c.nc.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-done // Else it could still cut short the next call.
		}
	}, nil
}

// timeoutAsContext names the context's end as the cause where it was: deadlines only ever come from a context.
func timeoutAsContext(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// bareCause strips what net adds and the caller's message already says: operation, addresses, system call.
func bareCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}
