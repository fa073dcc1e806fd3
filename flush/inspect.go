package flush

import (
	"context"
	"net/netip"
	"time"

	"memvip/flush/memcached"
)

// client is one instance, with the seams for tests: what reaches the server, what the kernel says of its listeners, and
// how long to wait.
type client struct {
	addr   netip.AddrPort
	dial   func(context.Context, netip.AddrPort) (*memcached.Conn, error)
	queued queuedFunc
	limits limits
}

// limits bound the waiting within one conversation.
type limits struct {
	command  time.Duration // for each command, and for connecting
	emptying time.Duration // for the items to go after a flush, apart from provePerMillion
	settling time.Duration // for connections that are just being set up or closed, in Prove
}

// defaultLimits: the slowest single answer measured at load took 80 ms, and raising command delays the report of a hung
// server by as much; a million items were gone after 0.8 s, with the crawler's help after 2 s.
var defaultLimits = limits{command: time.Second, emptying: 3 * time.Second, settling: 250 * time.Millisecond}

func clientOf(addr netip.AddrPort) client {
	return client{addr: addr, dial: memcached.Dial, queued: queuedInKernel, limits: defaultLimits}
}

// Inspect reads the figures over one fresh connection, in one round trip.
func Inspect(ctx context.Context, addr netip.AddrPort) (Figures, error) {
	return clientOf(addr).inspect(ctx)
}

func (c client) inspect(ctx context.Context) (Figures, error) {
	s, err := c.open(ctx)
	if err != nil {
		return Figures{}, err
	}
	defer s.close()
	return s.figures(ctx)
}

// session is one kept connection. Its errors are Refusals.
type session struct {
	client
	conn *memcached.Conn
}

func (c client) open(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limits.command)
	defer cancel()
	conn, err := c.dial(ctx, c.addr)
	if err != nil {
		return nil, failed(c.addr, err)
	}
	return &session{client: c, conn: conn}, nil
}

// close has nothing to report: whatever mattered was said by the commands.
func (s *session) close() { _ = s.conn.Close() }

func (s *session) figures(ctx context.Context) (Figures, error) {
	a, err := s.account(ctx)
	return a.Figures, err
}

// account returns the figures and what they were read from.
func (s *session) account(ctx context.Context) (Account, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.command)
	defer cancel()
	stats, settings, err := s.conn.Figures(ctx)
	if err != nil {
		return Account{}, failed(s.addr, err)
	}
	figures, err := parseFigures(stats, settings)
	if err != nil {
		return Account{}, failed(s.addr, err)
	}
	return Account{Figures: figures, Stats: stats, Settings: settings}, nil
}

// command runs one that has no result but its success.
func (s *session) command(ctx context.Context, run func(*memcached.Conn, context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.command)
	defer cancel()
	if err := run(s.conn, ctx); err != nil {
		return failed(s.addr, err)
	}
	return nil
}

func (c client) refuse(reason Reason, detail string) error {
	return &Refusal{Reason: reason, Addr: c.addr, Detail: detail}
}

// pause waits, and fails if ctx ends first.
func (c client) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return failed(c.addr, ctx.Err())
	}
}
