package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

const (
	// startBound, moveBound and homeBound are how long a step waits for what it is to show: fresh hosts to serve
	// every VIP, a VIP to be served elsewhere, a home to get its VIP back. A step that waits longer did not come about.
	startBound = 30 * time.Second
	moveBound  = 10 * time.Second
	homeBound  = 30 * time.Second

	// attemptLimit ends an attempt of the client's. After a move the demo goes on watching for a little longer, so
	// that every failure within the move is known.
	attemptLimit = time.Second
	aftermath    = attemptLimit + 200*time.Millisecond

	// moveEnd after the new holder's first answer a move is over.
	moveEnd = 20 * time.Millisecond

	// lookEvery is how often the demo asks an agent how things stand. It asks over the socket that agentctl uses,
	// since starting agentctl so often would slow down what is measured.
	lookEvery = 50 * time.Millisecond
)

// stage is the lab with its witnesses. The client is nil before the cluster has been started.
type stage struct {
	*lab.Lab
	client  *lab.Client
	watcher *lab.Watcher
	out     *printer

	began lab.Instant // of the step that is being played
}

// close completes the row of a step that ends now, and begins the next one.
func (s *stage) close(r *row) {
	began, now := s.began, lab.Now()
	s.began = now
	if s.client == nil || s.watcher == nil {
		return
	}
	r.stale += len(s.client.Stale(began, now))
	for _, v := range s.VIPs {
		o := s.client.Outage(v.Addr, began, now)
		r.failed += o.Failed
		r.longest = max(r.longest, o.Gap-s.heldWithin(o.GapStart, o.GapStart.Add(o.Gap)))
		r.doubled += s.watcher.Doubled(v.Addr, began, now)
	}
}

// held is how long the machine held the client itself up at most. It is told beside the outages, which are not the
// product's alone then.
func (s *stage) held() time.Duration {
	var longest time.Duration
	if s.client != nil {
		for _, stall := range s.client.Stalls(0, lab.Now()) {
			longest = max(longest, stall.Length)
		}
	}
	return longest
}

// heldWithin is for how much of a time the machine held the client up, which then cannot tell what is served.
func (s *stage) heldWithin(since, until lab.Instant) time.Duration {
	var sum time.Duration
	for _, stall := range s.client.Stalls(since, until) {
		sum += stall.Length
	}
	return sum
}

// report asks a host's agent how things stand.
func (s *stage) report(ctx context.Context, at *lab.Host) (control.Report, error) {
	c := control.Client{Path: at.Agent().Socket(), Timeout: moveBound}
	r, _, err := c.Status(ctx)
	return r, err
}

// showStatus runs agentctl on a host and shows what it says.
func (s *stage) showStatus(ctx context.Context, at *lab.Host) error {
	out, code, err := at.Agent().Ctl(ctx, "status")
	if err != nil {
		return err
	}
	s.out.session(at.Name, "agentctl status", out, code)
	return nil
}

// awaitReportedHome waits until a host's agent reports every VIP at home, which it hears a little later than the
// client sees it.
func (s *stage) awaitReportedHome(ctx context.Context, at *lab.Host) error {
	return every(ctx, lookEvery, func() (bool, error) {
		r, err := s.report(ctx, at)
		away := slices.ContainsFunc(r.VIPs, func(v control.VIP) bool { return !v.AtHome })
		return err == nil && !away, err
	})
}

// awaitHome waits until a VIP is served by its home. It is, when a step begins, unless the machine is so starved
// that leases run out.
func (s *stage) awaitHome(ctx context.Context, v lab.VIP) error {
	ctx, cancel := context.WithTimeout(ctx, homeBound)
	defer cancel()
	return s.client.WaitServed(ctx, v.Addr, v.Home.Name)
}

// awaitElsewhere waits until another host than the one that is struck answers for a VIP, and returns it.
func (s *stage) awaitElsewhere(ctx context.Context, vip netip.Addr, struck *lab.Host) (*lab.Host, error) {
	name := ""
	err := every(ctx, time.Millisecond, func() (bool, error) {
		var ok bool
		name, _, ok = s.client.Last(vip)
		return ok && name != "" && name != struck.Name, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s is not served elsewhere: %w", vip, err)
	}
	return s.Host(name), nil
}

// fault waits for a VIP to be served elsewhere after its home was struck at the given instant, and measures it.
func (s *stage) fault(ctx context.Context, v lab.VIP, at lab.Instant) (*lab.Host, row, error) {
	ctx, cancel := context.WithTimeout(ctx, moveBound)
	defer cancel()
	to, err := s.awaitElsewhere(ctx, v.Addr, v.Home)
	if err == nil {
		err = s.client.WaitFor(ctx, aftermath)
	}
	if err != nil {
		return nil, row{what: short(v) + " not served elsewhere"}, err
	}
	return to, s.measure(v, v.Home.Name, to.Name, at), nil
}

// handedBack measures a hand-back that is over, from the last answer of the old holder on.
func (s *stage) handedBack(ctx context.Context, v lab.VIP, since lab.Instant) (row, error) {
	if err := s.client.WaitFor(ctx, aftermath); err != nil {
		return row{}, err
	}
	left := lab.Turn{Last: since}
	for _, t := range s.client.Turns(v.Addr, since, lab.Now()) {
		if t.Host == v.Home.Name {
			break
		}
		left = t
	}
	return s.measure(v, left.Host, v.Home.Name, left.Last), nil
}

// measure says what a move cost, that began at the given instant, and returns it as a row.
func (s *stage) measure(v lab.VIP, from, to string, since lab.Instant) row {
	m := lab.Measure(s.client, s.watcher, v.Addr, since, lab.Now())
	if m.To == to { // what comes after the move is neither its outage nor a sign of two hosts at once
		m = lab.Measure(s.client, s.watcher, v.Addr, since, since.Add(m.Moved+moveEnd))
	}
	text := fmt.Sprintf("%s is served by %s. The client was without it for %s ms", v.Addr, to, figure(true, m.Gap))
	if m.Announced {
		text += fmt.Sprintf("; first gratuitous ARP after %s ms", figure(true, m.FirstARP))
	}
	if m.Stalled > 0 {
		text += fmt.Sprintf(" (this machine held the client itself up for %s ms)", figure(true, m.Stalled))
	}
	s.out.result("%s.", text)
	return row{
		what:  fmt.Sprintf("%s %s -> %s", short(v), from, to),
		moved: true, outage: m.Gap, firstARP: m.FirstARP, announced: m.Announced, counted: true,
		doubled: m.TurnsFor,
	}
}

// short is a VIP's last number, which is all that tells it from the others here.
func short(v lab.VIP) string { return fmt.Sprintf(".%d", v.Addr.As4()[3]) }

// every calls done until it reports true or fails, or ctx ends.
func every(ctx context.Context, period time.Duration, done func() (bool, error)) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		ok, err := done()
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return lab.ErrNotInTime // whatever became of the last call
		case ctx.Err() != nil:
			return ctx.Err()
		case ok || err != nil:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
