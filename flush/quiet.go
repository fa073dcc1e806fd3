package flush

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

const (
	// quietFor is how long the counters have to stand still before a flush. The server's clock ticks once per second,
	// and from 1.6.25 on a flush spares what was read in the present tick or the one before.
	quietFor = 2 * time.Second
	// quietPoll is the time between two looks, which move no counter themselves.
	quietPoll = 100 * time.Millisecond
)

// QuietOptions are the optional parts of WatchQuiet.
type QuietOptions struct {
	// Unquiet is called, from the caller's goroutine, each time counters have moved between two looks, with what moved
	// in words.
	Unquiet func(detail string)
}

// WatchQuiet returns the figures once no client has used the instance for 2 s, which for an unused one is after
// exactly that time. It waits as long as ctx lets it. If ctx ends after counters had moved, the reason is
// ReasonUnquiet, with the last movement as detail.
func WatchQuiet(ctx context.Context, addr netip.AddrPort, opts QuietOptions) (Figures, error) {
	return clientOf(addr).watchQuiet(ctx, opts)
}

func (c client) watchQuiet(ctx context.Context, opts QuietOptions) (Figures, error) {
	s, err := c.open(ctx)
	if err != nil {
		return Figures{}, err
	}
	defer s.close()
	still, err := s.figures(ctx)
	if err != nil {
		return Figures{}, err
	}
	since, lastMoved := time.Now(), ""
	for {
		if err := c.pause(ctx, min(quietPoll, max(0, quietFor-time.Since(since)))); err != nil {
			return Figures{}, unquietInstead(ctx, err, lastMoved)
		}
		asked := time.Now()
		figures, err := s.figures(ctx)
		if err != nil {
			return Figures{}, unquietInstead(ctx, err, lastMoved)
		}
		if moved := figures.Counters.movedSince(still.Counters); moved != "" {
			lastMoved = moved
			if opts.Unquiet != nil {
				opts.Unquiet(moved)
			}
			still, since = figures, time.Now()
			continue
		}
		// They stood still from the answer of the first look until this look's question.
		if asked.Sub(since) >= quietFor {
			return figures, nil
		}
	}
}

// unquietInstead names what kept the wait from ending, where that is known and better than "timeout".
func unquietInstead(ctx context.Context, err error, lastMoved string) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) || lastMoved == "" || !over(ctx) {
		return err
	}
	return &Refusal{Reason: ReasonUnquiet, Addr: refusal.Addr, Detail: lastMoved, Err: refusal.Err}
}

// over tells whether ctx has ended, also in the instant in which its deadline has passed and only a connection's copy
// of it has been noticed.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}
