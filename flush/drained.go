package flush

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"memvip/flush/memcached"
)

// drainPoll is the time between two looks while connections are left.
const drainPoll = 20 * time.Millisecond

// Drained returns once the process can no longer execute anything that it received on one of vips. The caller has
// taken these addresses off the host and destroyed their sockets, or is about to; but a destroyed socket keeps what it had received,
// and memcached executes it when it gets to it. A connection lies in one of three places until then, and all three are
// looked at, in this order:
//
//   - in a listener's queue, not yet accepted: the queues have to have been seen empty once;
//   - accepted, in the queue of a worker thread: fresh connections, which are dealt to the workers in turn, have to be
//     answered by every worker, as far as that can be told, and each worker takes its queue in order;
//   - with a worker: `stats conns` lists it, with the address it was accepted on, until the worker has closed it.
//
// A look that finds none listed costs 8 short connections per worker thread. Not drained within patience:
// ReasonConnectionsLeft, or ReasonUnseen. A server with a stuck worker ends in ReasonTimeout.
func Drained(ctx context.Context, addr netip.AddrPort, vips []netip.Addr, patience time.Duration) error {
	return clientOf(addr).drained(ctx, vips, patience)
}

func (c client) drained(ctx context.Context, vips []netip.Addr, patience time.Duration) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return s.drained(ctx, vips, patience)
}

func (s *session) drained(ctx context.Context, vips []netip.Addr, patience time.Duration) error {
	if len(vips) == 0 {
		return nil
	}
	deadline := time.Now().Add(patience)
	for {
		left, err := s.leftOn(ctx, vips)
		if err == nil && left == "" {
			return nil
		}
		// A connection that is just being set up looks like a listener that nobody knows, so that passes too.
		if err != nil && !errors.Is(err, errUnseen) {
			return err
		}
		wait := min(drainPoll, time.Until(deadline))
		switch {
		case wait <= 0 && err != nil:
			return err
		case wait <= 0:
			return s.refuse(ReasonConnectionsLeft, left)
		}
		if err := s.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// leftOn says in words what is left, or "" if nothing is.
func (s *session) leftOn(ctx context.Context, vips []netip.Addr) (string, error) {
	conns, err := s.conns(ctx)
	if err != nil {
		return "", err
	}
	queued, err := s.queued(listenersOf(conns))
	switch {
	case errors.Is(err, errUnseen):
		return "", &Refusal{Reason: ReasonUnseen, Addr: s.addr, Detail: err.Error(), Err: err}
	case err != nil:
		return "", failed(s.addr, err)
	case queued > 0:
		return fmt.Sprintf("%d connections wait to be accepted", queued), nil
	}
	if left := acceptedOn(conns, vips); left != "" {
		return left, nil
	}
	if left, err := s.passEveryWorker(ctx); left != "" || err != nil {
		return left, err
	}
	conns, err = s.conns(ctx)
	if err != nil {
		return "", err
	}
	return acceptedOn(conns, vips), nil
}

func (s *session) conns(ctx context.Context) (conns []memcached.Client, err error) {
	err = s.command(ctx, func(conn *memcached.Conn, ctx context.Context) error {
		conns, err = conn.Conns(ctx)
		return err
	})
	return conns, err
}

func listenersOf(conns []memcached.Client) []memcached.Client {
	return slices.DeleteFunc(slices.Clone(conns), func(c memcached.Client) bool { return !c.Listening() })
}

// acceptedOn counts a connection whose local address the server cannot tell as accepted on a service address.
func acceptedOn(conns []memcached.Client, vips []netip.Addr) string {
	onVIP, unknown := 0, 0
	var example netip.AddrPort
	for _, conn := range conns {
		switch {
		case conn.Listening() || conn.Transport == "unix":
		case slices.Contains(vips, conn.Local.Addr()):
			onVIP, example = onVIP+1, conn.Local
		case !conn.Local.IsValid():
			unknown++
		}
	}
	switch {
	case onVIP > 0:
		return fmt.Sprintf("the process has not closed %d connections accepted on a service address, such as on %s", onVIP, example)
	case unknown > 0:
		return fmt.Sprintf("the process has not closed %d connections whose local address it cannot tell", unknown)
	}
	return ""
}

// Fresh connections per worker thread: how many it takes at least, and after how many it is given up for now.
//
// What is counted does not show what others' connections a stuck worker was dealt: it takes none up. Had they its turn
// each time, all that is counted would be answered. The minimum makes that a row of coincidences: with four workers others
// would have to take each of the stuck one's 10 turns and few besides, where two rounds took 2. A connection costs 50 to
// 100 us.
const (
	roundsMin = 8
	roundsMax = 2 * roundsMin
)

// passEveryWorker returns "" when every worker thread has answered on a connection that was opened after the call, unless
// others' connections fell on a stuck worker's turns and there only. It gives up for now if others open theirs as fast.
func (s *session) passEveryWorker(ctx context.Context) (string, error) {
	before, err := s.figures(ctx)
	if err != nil {
		return "", err
	}
	for opened := 1; opened <= roundsMax*before.Threads; opened++ {
		if err := s.fresh(ctx); err != nil {
			return "", err
		}
		if opened < roundsMin*before.Threads {
			continue
		}
		after, err := s.figures(ctx)
		if err != nil {
			return "", err
		}
		if coversEveryWorker(before.Threads, opened, after.TotalConns-before.TotalConns) {
			return "", nil
		}
	}
	return "others connect too often to tell that every worker has come round", nil
}

// coversEveryWorker tells whether opened connections of ours, among total ones dealt to the workers in turn, must have
// met every worker, if total is all that were dealt. A worker gets at least total/workers of them, so one that got none of
// ours got that many of the others'. One more is allowed for than was counted, since the server counts a connection
// only when its worker has taken it up; for more that a stuck worker has not, there is roundsMin.
func coversEveryWorker(workers, opened int, total uint64) bool {
	if workers < 1 || total < uint64(opened) {
		return false // Also after a restart, or a stats reset.
	}
	others := total - uint64(opened)
	return others+1 < total/uint64(workers)
}

func (s *session) fresh(ctx context.Context) error {
	fresh, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer fresh.close()
	return fresh.command(ctx, (*memcached.Conn).Noop)
}
