package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"memvip/agent/core"
	"memvip/agent/sim/size"
)

// Simulated clusters.
const (
	lease      = 600 * time.Millisecond // the default
	voters     = 3
	simPatient = 2 * time.Minute // simulated
	simCalm    = 2 * time.Second // likewise: for a cluster that has settled
)

// watchedFor is for how long nothing happens while costs are measured: every node tells its state once in it at least.
func watchedFor(set settings, nodes int) time.Duration {
	if set.quiet {
		return set.simSteady
	}
	return max(set.simSteady, core.PublishEvery(nodes, voters))
}

// simulate measures one size. Real time only tells how long that took.
func simulate(set settings, nodes int, progress io.Writer) (simRow, error) {
	begun := time.Now()
	tell := func(format string, args ...any) {
		fmt.Fprintf(progress, "    %.0f s: %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
	row := simRow{Nodes: nodes, Quiet: set.quiet}
	w, err := size.New(size.Shape{Nodes: nodes, VIPs: nodes, Voters: voters, Lease: lease, Costs: size.LAN, Seed: set.seed, Quiet: set.quiet})
	if err != nil {
		return row, err
	}
	formed, err := w.Settle(simPatient)
	if err != nil {
		return row, err
	}
	row.Formed = inMillis(formed)
	tell("formed after %s", formed)
	w.Pass(simCalm)
	watch := watchedFor(set, nodes)
	ofVoters, ofOthers, err := w.Measure(func() error { w.Pass(watch); return nil })
	if err != nil {
		return row, err
	}
	row.Voters, row.Others = costOf(ofVoters), costOf(ofOthers)
	if err := w.Unsendable(); err != nil {
		row.Unsendable = err.Error()
	}
	row.HeapPerNode = w.HeapPerNode()
	tell("measured %s of calm", watch)
	if err := strikeAll(set, w, &row, tell); err != nil {
		return row, err
	}
	if nodes <= bearsMax {
		if row.Bears, err = bears(set, nodes); err != nil {
			return row, err
		}
		tell("forms with up to %.2f ms for each event", float64(row.Bears))
	}
	row.Took = time.Since(begun).Seconds()
	return row, nil
}

// bearsMax is the largest cluster that is tried how slow its agents may be: each try is a cluster's start.
const bearsMax = 30

// slower are the times for one event that are tried.
var slower = []time.Duration{
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
}

// bears is how long an agent may take for every event so that all VIPs are up soon after a fresh start. A cluster whose
// retries feed themselves is stuck long before its agents are busy all the time.
func bears(set settings, nodes int) (millis, error) {
	borne := millis(0)
	for _, step := range slower {
		costs := size.LAN
		costs.Step = step
		w, err := size.New(size.Shape{Nodes: nodes, VIPs: nodes, Voters: voters, Lease: lease, Costs: costs, Seed: set.seed, Quiet: set.quiet})
		if err != nil {
			return 0, err
		}
		if _, err := w.Settle(2 * core.LeaseMax); errors.Is(err, size.ErrNotInTime) {
			break
		} else if err != nil {
			return 0, err
		}
		borne = inMillis(step)
	}
	return borne, nil
}

// costOf is what a stretch cost one node, in a second.
func costOf(l size.Load) simCost {
	leases := l.Traffic.Leases()
	return simCost{
		Nodes: l.Nodes, LeaseSent: l.PerSecond(leases.Sent), LeaseReceived: l.PerSecond(leases.Received),
		LeaseBytes: l.PerSecond(leases.SentBytes + leases.ReceivedBytes),
		StateSent:  l.PerSecond(l.Traffic.States.Sent), StateReceived: l.PerSecond(l.Traffic.States.Received),
		Steps: l.PerSecond(l.Work.All().Count), StepMicros: inMicros(l.Work.All().Mean()), ClaimMicros: inMicros(l.Work.Claims.Mean()),
		Busy: l.Busy(), CodecBusy: l.CodecBusy(),
	}
}

func inMicros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// strikeAll has memcacheds exit and hosts die, one after the other, and at last a tenth of all.
func strikeAll(set settings, w *size.World, row *simRow, tell func(string, ...any)) error {
	for _, host := range struck(row.Nodes, set.repeats, 0) {
		outages, err := w.Exit(host, simPatient)
		if err == nil {
			err = mend(w, []int{host})
		}
		if err != nil {
			return fmt.Errorf("memcached of host %d exits: %w", host, err)
		}
		row.Exits = append(row.Exits, lasted(outages)...)
	}
	tell("%d memcacheds exited", len(row.Exits))
	for _, host := range struck(row.Nodes, set.repeats, 1) {
		outages, err := w.Strike([]int{host}, simPatient)
		if err == nil {
			err = mend(w, []int{host})
		}
		if err != nil {
			return fmt.Errorf("host %d dies: %w", host, err)
		}
		row.Deaths = append(row.Deaths, lasted(outages)...)
	}
	tell("%d hosts died", len(row.Deaths))
	hosts := w.Rack()
	var outages []size.Outage
	ofVoters, _, err := w.Measure(func() (err error) {
		outages, err = w.Strike(hosts, simPatient)
		return err
	})
	if err != nil {
		return fmt.Errorf("%d hosts die: %w", len(hosts), err)
	}
	row.Rack = rack{Hosts: len(hosts), VIPs: len(outages), Most: w.MostHeld()}
	row.Rack.First, row.Rack.All = span(lasted(outages))
	row.RackStep = inMillis(ofVoters.Work.All().Took / time.Duration(max(1, ofVoters.Nodes)))
	tell("%d hosts died at once", len(hosts))
	return nil
}

// mend has all as it was before.
func mend(w *size.World, hosts []int) error {
	w.Mend(hosts)
	if _, err := w.Settle(simPatient); err != nil {
		return err
	}
	w.Pass(max(simCalm, 2*core.LeaseMax)) // a voter that lost its state has been silent, and is heard again
	return nil
}

func lasted(outages []size.Outage) []millis {
	var all []millis
	for _, o := range outages {
		all = append(all, inMillis(o.Lasted))
	}
	return all
}

// struck says which hosts something happens to, for the n-th kind of failure: never the same one twice in a row, since
// a VIP of three hosts that share their memcacheds among VIPs has but two clean failovers.
func struck(nodes, repeats, kind int) []int {
	repeats = min(repeats, nodes-1)
	hosts := make([]int, repeats)
	for i := range hosts {
		hosts[i] = (nodes/2 + kind*repeats + i) % nodes
	}
	return hosts
}

// span is the first and the last of some times; zeros if there are none.
func span(times []millis) (first, last millis) {
	for i, t := range times {
		if i == 0 || t < first {
			first = t
		}
		last = max(last, t)
	}
	return first, last
}
