package flush

import (
	"context"
	"fmt"
	"net/netip"
)

// Certificate says what was proved empty, and by which figures that can be recognized later.
type Certificate struct {
	PID        int
	Start      int64  // as Figures.Start
	Oldest     int64  // as Figures.Oldest
	TotalItems uint64 // as Figures.TotalItems
}

func certificateOf(f Figures) Certificate {
	return Certificate{PID: f.PID, Start: f.Start, Oldest: f.Oldest, TotalItems: f.TotalItems}
}

// Verify reads the figures again, shortly before a service address goes up, and returns nil if the instance is still as
// certified: the same process and, unless it serves another address by now, not flushed again and without a single item
// stored since. It takes one fresh connection and one round trip.
func Verify(ctx context.Context, addr netip.AddrPort, cert Certificate, serving bool) error {
	return clientOf(addr).verify(ctx, cert, serving)
}

func (c client) verify(ctx context.Context, cert Certificate, serving bool) error {
	f, err := c.inspect(ctx)
	if err != nil {
		return err
	}
	switch {
	case !f.sameProcess(cert.PID, cert.Start):
		return c.refuse(ReasonRestarted, anotherProcess(f, cert.PID, cert.Start))
	case f.DelayedFlushPending():
		return c.refuse(ReasonDelayedFlush, delayedFlush(f))
	case serving:
		return nil // what its clients stored or flushed since cannot bring back what was gone
	case f.Oldest != cert.Oldest:
		return c.refuse(ReasonFlushedAgain, fmt.Sprintf("oldest went from %d to %d", cert.Oldest, f.Oldest))
	case f.TotalItems != cert.TotalItems:
		return c.refuse(ReasonItemsChanged, fmt.Sprintf("total_items went from %d to %d", cert.TotalItems, f.TotalItems))
	case f.CurrItems != 0:
		return c.refuse(ReasonItemsChanged, fmt.Sprintf("curr_items went from 0 to %d", f.CurrItems))
	}
	return nil
}

func anotherProcess(f Figures, pid int, start int64) string {
	return fmt.Sprintf("pid %d started at %d, formerly pid %d started at %d", f.PID, f.Start, pid, start)
}

func delayedFlush(f Figures) string {
	return fmt.Sprintf("a delayed flush_all is due in %d s", f.Oldest-f.now())
}
