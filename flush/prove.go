package flush

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"memvip/flush/memcached"
)

const (
	provePoll = 20 * time.Millisecond
	// provePerMillion is added to the limit for each million items that was begun.
	provePerMillion = time.Second
	// crawlAfter is how long curr_items may stand still before the crawler is asked for help: the server's own
	// maintenance may be switched off, or asleep for up to a second.
	crawlAfter = 200 * time.Millisecond
)

// Prove flushes the instance and proves that nothing is left. quietSince is WatchQuiet's answer: the process and all
// counters have to be as they were then until the end. None of vips is on the host; nothing that was accepted on one
// may be left in the process (see Drained). Items have 3 s, and 1 s per million
// of them begun, to go.
func Prove(ctx context.Context, addr netip.AddrPort, vips []netip.Addr, quietSince Figures) (Certificate, error) {
	return clientOf(addr).prove(ctx, vips, quietSince)
}

func (c client) prove(ctx context.Context, vips []netip.Addr, quietSince Figures) (Certificate, error) {
	deadline := time.Now().Add(c.limits.emptying)
	s, err := c.open(ctx)
	if err != nil {
		return Certificate{}, err
	}
	defer s.close()
	if err := s.drained(ctx, vips, c.limits.settling); err != nil {
		return Certificate{}, err
	}
	before, err := s.figures(ctx)
	if err != nil {
		return Certificate{}, err
	}
	if err := c.unchanged(before, quietSince); err != nil {
		return Certificate{}, err
	}
	if !before.FlushEnabled {
		return Certificate{}, c.refuse(ReasonFlushRefused, "flush_all is switched off (-F)")
	}
	if err := s.command(ctx, (*memcached.Conn).FlushAll); err != nil {
		return Certificate{}, err
	}
	deadline = deadline.Add(time.Duration((before.CurrItems+999_999)/1_000_000) * provePerMillion)
	after, err := s.untilEmpty(ctx, quietSince, deadline)
	if err != nil {
		return Certificate{}, err
	}
	if err := c.boundaryMoved(before, after); err != nil {
		return Certificate{}, err
	}
	return certificateOf(after), nil
}

// unchanged refuses figures of another process, or of one that a client used since.
func (c client) unchanged(f, quietSince Figures) error {
	if !f.sameProcess(quietSince.PID, quietSince.Start) {
		return c.refuse(ReasonRestarted, anotherProcess(f, quietSince.PID, quietSince.Start))
	}
	if moved := f.Counters.movedSince(quietSince.Counters); moved != "" {
		return c.refuse(ReasonUnquiet, moved)
	}
	if f.TotalItems != quietSince.TotalItems {
		return c.refuse(ReasonItemsChanged, fmt.Sprintf("total_items went from %d to %d", quietSince.TotalItems, f.TotalItems))
	}
	return nil
}

// untilEmpty polls until curr_items is 0, and returns the figures that said so.
func (s *session) untilEmpty(ctx context.Context, quietSince Figures, deadline time.Time) (Figures, error) {
	crawled, lowest, fellAt := false, ^uint64(0), time.Now()
	for {
		f, err := s.figures(ctx)
		if err != nil {
			return Figures{}, err
		}
		if err := s.unchanged(f, quietSince); err != nil {
			return Figures{}, err
		}
		switch now := time.Now(); {
		case f.CurrItems == 0:
			return f, nil
		case !now.Before(deadline):
			return Figures{}, s.refuse(ReasonNotEmpty, fmt.Sprintf("curr_items is still %d", f.CurrItems))
		case f.CurrItems < lowest:
			lowest, fellAt = f.CurrItems, now
		case !crawled && !f.Crawling && now.Sub(fellAt) >= crawlAfter:
			if crawled, err = s.crawl(ctx); err != nil {
				return Figures{}, err
			}
		}
		if err := s.pause(ctx, provePoll); err != nil {
			return Figures{}, err
		}
	}
}

// crawl tells whether asking again is pointless. It is not asked while the crawler is at work for somebody else: on some
// versions a second command then blocks a worker thread for as long as that somebody likes. A server without a crawler is no failure: its items may yet go.
func (s *session) crawl(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.command)
	defer cancel()
	err = s.conn.CrawlAll(ctx)
	switch kind, answered := replyKind(err); {
	case err == nil:
		return true, nil
	case answered && kind == memcached.KindBusy:
		return false, nil
	case answered:
		return true, nil
	}
	return false, failed(s.addr, err)
}

// boundaryMoved checks that this flush, and no other with a delay, is the newest: its boundary lies between the moment
// before it was sent, less the one tick by which the server puts it back, and now.
func (c client) boundaryMoved(before, after Figures) error {
	if after.DelayedFlushPending() {
		return c.refuse(ReasonDelayedFlush, delayedFlush(after))
	}
	if earliest := before.now() - 1; after.Oldest < earliest {
		return c.refuse(ReasonBadReply, fmt.Sprintf("flush_all left oldest at %d, want %d to %d", after.Oldest, earliest, after.now()))
	}
	return nil
}
