package doctor

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Clocks says how clocks are compared.
type Clocks struct {
	// Now is the local CLOCK_BOOTTIME; Boottime unless set.
	Now func() time.Duration
	// Ask returns a node's CLOCK_BOOTTIME, read between the call and its return. It must heed its context.
	Ask   func(ctx context.Context, node string) (time.Duration, error)
	Bound float64       // on the difference of two clocks' rates, as a fraction: cluster.clock_drift
	Span  time.Duration // between the two questions; ten times longer makes the answer ten times as sure
}

// ClockRates compares the rates of the nodes' clocks with this host's, all at once. Leases rest on their difference being
// below the bound. It asks twice and takes a little longer than the span. What a round trip hides is said: a failure is
// only what surely exceeds the bound. Node is left for the caller to fill in.
func ClockRates(ctx context.Context, c Clocks, nodes []string) []Finding {
	if c.Now == nil {
		c.Now = Boottime
	}
	list := make([]Finding, len(nodes))
	var asking sync.WaitGroup
	for i, node := range nodes {
		asking.Go(func() { list[i] = c.rate(ctx, node) })
	}
	asking.Wait()
	return list
}

// Boottime is this host's CLOCK_BOOTTIME.
func Boottime() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) // fails for no clock that exists
	return time.Duration(now.Nano())
}

// reading is a peer's clock, read at some instant between two of ours.
type reading struct{ sent, came, theirs time.Duration }

func (c Clocks) rate(ctx context.Context, node string) Finding {
	const what = "the clock of "
	first, err := c.read(ctx, node)
	if err == nil {
		err = pause(ctx, c.Span)
	}
	var second reading
	if err == nil {
		second, err = c.read(ctx, node)
	}
	if err != nil {
		return unseen(CheckClockRate, node, what+node, err, "agentctl doctor on "+node)
	}
	if second.theirs < first.theirs {
		return unseen(CheckClockRate, node, what+node, fmt.Errorf("it went back by %s: the host was restarted", first.theirs-second.theirs), "run it again")
	}
	return c.judge(node, difference(first, second))
}

func (c Clocks) read(ctx context.Context, node string) (r reading, err error) {
	r.sent = c.Now()
	r.theirs, err = c.Ask(ctx, node)
	r.came = c.Now()
	return r, err
}

// span is between which values a quantity lies.
type span struct{ low, high float64 }

// difference is how much faster their clock runs than ours, as a fraction. Between their two readings passed at least
// the time from the first answer to the second question, and at most that from the first question to the second answer.
func difference(first, second reading) span {
	theirs := float64(second.theirs - first.theirs)
	least, most := float64(second.sent-first.came), float64(second.came-first.sent)
	d := span{low: theirs/most - 1, high: math.Inf(1)}
	if least > 0 {
		d.high = theirs/least - 1
	}
	return d
}

// surelyBeyond reports whether all of the span is outside of ±bound.
func (d span) surelyBeyond(bound float64) bool { return d.low > bound || d.high < -bound }

// surelyWithin reports whether all of it is inside.
func (d span) surelyWithin(bound float64) bool { return d.low >= -bound && d.high <= bound }

func (d span) uncertainty() float64 { return (d.high - d.low) / 2 }

func (d span) String() string {
	if math.IsInf(d.high, 1) {
		return fmt.Sprintf("%+.2f %% or more", d.low*100)
	}
	return fmt.Sprintf("%+.2f %% ± %.2f %%", (d.low+d.high)/2*100, d.uncertainty()*100)
}

func (c Clocks) judge(node string, d span) Finding {
	f := Finding{
		Check: CheckClockRate, Subject: node, Mend: "chronyc tracking, or timedatectl timesync-status, on both hosts; a virtual machine: was it paused or moved?",
		Why: fmt.Sprintf("leases rest on clocks whose rates differ by less than %g %%: beyond, two hosts may answer on one VIP", c.Bound*100),
	}
	switch {
	case d.surelyBeyond(c.Bound):
		f.Severity, f.What = Failure, fmt.Sprintf("the rate of %s's clock differs from this host's by %s", node, d)
	case d.surelyWithin(c.Bound):
		return fine(CheckClockRate, node, "the rate of %s's clock differs from this host's by %s, within %g %%", node, d, c.Bound*100)
	case d.uncertainty() > c.Bound:
		f.Severity, f.What = Unknown, fmt.Sprintf("the rate of %s's clock was measured too roughly: %s", node, d)
		f.Why, f.Mend = "what was not seen may be broken", "run it again, over a longer time or on a quieter network"
	default:
		f.Severity, f.What = Warning, fmt.Sprintf("the rate of %s's clock differs from this host's by %s, about as much as is allowed", node, d)
	}
	return f
}

// pause waits, and fails if ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
