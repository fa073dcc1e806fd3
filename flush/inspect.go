package flush

import (
	"context"
	"net/netip"
	"time"

	"memvip/flush/memcached"
)

// commandTimeout bounds each command of a longer conversation. Measured at load, the slowest single answer took 80 ms;
// raising it delays the report of a hung server by as much.
const commandTimeout = time.Second

// client is the seam for tests: what reaches the server, and what the kernel says of its listeners.
type client struct {
	addr   netip.AddrPort
	dial   func(context.Context, netip.AddrPort) (*memcached.Conn, error)
	queued queuedFunc
}

func clientOf(addr netip.AddrPort) client {
	return client{addr: addr, dial: memcached.Dial, queued: queuedInKernel}
}

// Inspect reads the figures over one fresh connection, in two round trips.
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
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
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
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	stats, err := s.conn.Stats(ctx, "")
	if err != nil {
		return Figures{}, failed(s.addr, err)
	}
	settings, err := s.conn.Stats(ctx, "settings")
	if err != nil {
		return Figures{}, failed(s.addr, err)
	}
	figures, err := parseFigures(stats, settings)
	if err != nil {
		return Figures{}, failed(s.addr, err)
	}
	return figures, nil
}

// command runs one that has no result but its success.
func (s *session) command(ctx context.Context, run func(*memcached.Conn, context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
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
