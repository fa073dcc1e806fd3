package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"memvip/integration/bench/machine"
	"memvip/integration/lab"
)

// window is a stretch of a run by the lab's clock.
type window struct{ since, until lab.Instant }

// windows are the parts of a run, for one client.
type windows struct {
	fault window // from the fault, or in a hand-back from the stand-in's last answer, until it is healed
	home  window // from then on until all is settled
}

// run strikes once and measures. The site is settled before, and after unless there is an error, which is in the
// sample's problems already.
func (s *site) run(ctx context.Context, st step, set settings) (sample, error) {
	f, v := st.fault, s.lab.VIPs[st.vip]
	s.mark()
	out := sample{Contender: s.contender.name, Fault: f.name, Run: st.run, VIP: v.Addr.String(), From: v.Home.Name}
	if err := s.prepare(ctx, f, v, set); err != nil {
		out.add(problemUnserved, err.Error())
		return out, fmt.Errorf("%s: prepare: %w", out.stepName(), err)
	}
	if err := last(ctx, f.phase(st.run)); err != nil {
		return out, fmt.Errorf("%s: %w", out.stepName(), err)
	}
	out.From, _, _ = s.open.Last(v.Addr)
	out.Begun, out.Load = time.Now(), machine.Load()
	at, err := f.strike(ctx, s, v)
	if err != nil {
		return out, fmt.Errorf("%s: %w", out.stepName(), err)
	}
	until, err := s.endure(ctx, f, v, &out, set)
	end := lab.Now()
	if err == nil {
		// Every attempt of the fault's time has ended by then: those of closed loops when the VIP had moved.
		err = s.open.WaitFor(ctx, max(0, openTimeout+calm-lab.Now().Sub(until)))
	}
	s.measure(f, v, at, until, end, &out)
	if err != nil {
		return out, fmt.Errorf("%s: %w", out.stepName(), err)
	}
	return out, nil
}

// prepare does what the fault wants done before it strikes.
func (s *site) prepare(ctx context.Context, f fault, v lab.VIP, set settings) error {
	if f.fills {
		fill, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := v.Home.Instance(v.Addr).Fill(fill, set.fillBytes); err != nil {
			return err
		}
		if err := s.settle(ctx, v.Addr); err != nil {
			return err
		}
	}
	if err := s.awaitReady(ctx, v.Addr); err != nil {
		return err
	}
	if f.prepare != nil {
		return f.prepare(ctx, s, v)
	}
	return nil
}

// endure waits until the VIP has moved, heals, and waits until all is settled. It returns when the fault's time ended.
func (s *site) endure(ctx context.Context, f fault, v lab.VIP, out *sample, set settings) (lab.Instant, error) {
	to, err := s.awaitMoved(ctx, v.Addr, out.From)
	if err == nil {
		out.To = to
		err = s.open.WaitFor(ctx, lasting(f, set))
	}
	until := lab.Now()
	if err == nil && f.heal != nil {
		err = f.heal(ctx, s, v)
	}
	if err == nil {
		err = s.settle(ctx)
		out.Settled = inMillis(lab.Now().Sub(until))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		out.add(problemUnserved, err.Error())
	}
	return until, err
}

// lasting is how long a fault goes on after the VIP has moved.
func lasting(f fault, set settings) time.Duration {
	if f.lingers {
		return set.linger
	}
	return calm
}

// measure fills the sample from what clients and watcher saw.
func (s *site) measure(f fault, v lab.VIP, at, until, end lab.Instant, out *sample) {
	w := s.split(s.open, f, v, out.From, at, until, end)
	out.Doubled = inMillis(s.watch.Doubled(v.Addr, at, end))
	for c, seen := range map[*lab.Client]*view{s.open: &out.Open, s.closed: &out.Closed, s.patient: &out.Patient} {
		*seen = see(c, v.Addr, s.split(c, f, v, out.From, at, until, end), out.Doubled > 0)
		if f.homeward {
			seen.Home = nil // the way home was the fault
		}
	}
	if a, ok := s.watch.FirstAnnouncement(v.Addr, at, out.From); ok && a.At <= until {
		d := inMillis(max(0, a.At.Sub(w.fault.since))) // a stand-in's last answer may come after it
		out.FirstARP = &d
	}
	if ms := out.twoHosts(); ms > 0 {
		out.add(problemDouble, fmt.Sprintf("%s: two hosts answered a client in turns for %.1f ms", v.Addr, ms))
	}
	if out.Doubled > 0 {
		out.add(problemDouble, fmt.Sprintf("%s: two hosts answered ARP for %.1f ms", v.Addr, out.Doubled))
	}
	if where := itinerary(s.open.Turns(v.Addr, at, end)); len(where) > wantedStays(f) {
		out.add(problemMoved, fmt.Sprintf("%s moved more often than it had to: %s", v.Addr, strings.Join(where, ", ")))
	}
	s.measureStale(at, end, out)
	s.measureBystanders(v, at, end, out)
}

func (s *site) measureStale(at, end lab.Instant, out *sample) {
	for _, c := range s.clients() {
		stale := c.Stale(at, end)
		out.Stale += len(stale)
		if len(stale) > 0 {
			out.add(problemStale, fmt.Sprintf("%d stale reads, the first: %s", len(stale), stale[0]))
		}
	}
}

// measureBystanders looks at the VIPs that nothing happened to.
func (s *site) measureBystanders(struck lab.VIP, at, end lab.Instant, out *sample) {
	for _, v := range s.lab.VIPs {
		if v.Addr == struck.Addr {
			continue
		}
		if d := s.watch.Doubled(v.Addr, at, end); d > 0 {
			out.add(problemDouble, fmt.Sprintf("%s, a bystander: two hosts answered ARP for %.1f ms", v.Addr, inMillis(d)))
		}
		if o := s.open.Outage(v.Addr, at, end); o.To != "" {
			out.add(problemMoved, fmt.Sprintf("a bystander moved: %s", o))
		}
	}
}

// split says which part of a run is which, as one client saw it.
func (s *site) split(c *lab.Client, f fault, v lab.VIP, from string, at, until, end lab.Instant) windows {
	if f.homeward {
		at = lastOf(c.Turns(v.Addr, at, until), from, at)
	}
	return windows{fault: window{at, until}, home: window{until, end}}
}

// lastOf is when the host answered last before another did, or the given instant if it never answered.
func lastOf(turns []lab.Turn, host string, otherwise lab.Instant) lab.Instant {
	if len(turns) == 0 || turns[0].Host != host {
		return otherwise
	}
	return turns[0].Last
}

// see is what one client saw of one VIP. doubled says whether two hosts answered ARP for it.
func see(c *lab.Client, vip netip.Addr, w windows, doubled bool) view {
	r := lab.Measure(c, nil, vip, w.fault.since, w.fault.until)
	back := c.Outage(vip, w.home.since, w.home.until)
	out := view{
		Outage: inMillis(r.Gap), Begins: inMillis(r.GapStart.Sub(w.fault.since)),
		Failed: r.Failed, Stall: inMillis(r.Stalled),
	}
	if gap, ok := change(c.Turns(vip, w.home.since, w.home.until)); ok {
		d := inMillis(gap)
		out.Home = &d
	}
	out.FailedAs = byReason(c.Failures(vip, w.fault.since, w.fault.until.Add(openTimeout+calm)), w.fault)
	if r.To != "" {
		d := inMillis(r.Moved)
		out.Moved = &d
	}
	if inTurns(c.Turns(vip, w.fault.since, w.fault.until), doubled) {
		out.TwoHosts += inMillis(r.TurnsFor)
	}
	if inTurns(c.Turns(vip, w.home.since, w.home.until), doubled) {
		out.TwoHosts += inMillis(back.TurnsFor)
	}
	return out
}

// byReason counts the attempts that were begun in the window and failed, then or later.
func byReason(failed []lab.Failed, w window) map[string]int {
	counts := map[string]int{}
	for _, f := range failed {
		if f.Begun >= w.since && f.Begun <= w.until {
			counts[f.Why.String()]++
		}
	}
	return counts
}
