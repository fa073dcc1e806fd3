package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"memvip/integration/bench/scrape"
)

// slice is what one turn of one combination showed.
type slice struct {
	cell
	Begun   time.Time `json:"begun"`
	Seconds float64   `json:"seconds"` // between two looks, the mean of all agents
	Load    float64   `json:"load_average"`

	Lost        int     `json:"leases_lost"`            // ended unrenewed
	Moves       int     `json:"moves"`                  // VIPs taken by another node or anew
	Left        []share `json:"left_at_renewal"`        // of all three agents
	Collections int     `json:"collections_of_garbage"` // by the three agents, so that its pressure is seen
}

// share is how many renewals left at least that share of the lease, and less than the next larger.
type share struct {
	Least float64 `json:"least"`
	Count int     `json:"count"`
}

// glance is what one agent told at one time.
type glance struct {
	at          time.Time
	started     float64 // this life of it; another means that it died
	lost, moves int
	collections int
	left        scrape.Histogram
}

// glanceAt reads a page.
func glanceAt(p scrape.Page, at time.Time) glance {
	const counted = "memvip_lease_renewal_left_ratio"
	g := glance{
		at: at, started: p.Sum("memvip_start_time_seconds"), lost: int(p.Sum("memvip_leases_lost_total")),
		moves: int(p.Sum("memvip_vip_taken_total", "cause!=continue")), left: p.Histogram(counted),
	}
	for _, m := range p["go_gc_duration_seconds"].GetMetric() {
		g.collections += int(m.GetSummary().GetSampleCount())
	}
	return g
}

// errRestarted says that an agent is not the one that was asked first.
var errRestarted = errors.New("the agent was restarted meanwhile")

// add takes in what happened to one agent between two looks.
func (s *slice) add(before, after glance) error {
	if before.started == 0 || before.started != after.started {
		return errRestarted
	}
	s.Seconds += after.at.Sub(before.at).Seconds() / hosts
	s.Lost += after.lost - before.lost
	s.Moves += after.moves - before.moves
	s.Collections += after.collections - before.collections
	s.Left = plus(s.Left, shares(after.left.Minus(before.left)))
	return nil
}

// shares turns bounds from above into bounds from below.
func shares(h scrape.Histogram) []share {
	var list []share
	least := 0.0
	for _, b := range h {
		list = append(list, share{least, b.Count})
		least = b.UpTo
	}
	return list
}

// plus adds two lists up, by their bounds.
func plus(a, b []share) []share {
	sum := slices.Clone(a)
	for _, x := range b {
		if i := slices.IndexFunc(sum, func(y share) bool { return y.Least == x.Least }); i >= 0 {
			sum[i].Count += x.Count
		} else {
			sum = append(sum, x)
		}
	}
	slices.SortFunc(sum, func(x, y share) int { return int(math.Copysign(1, x.Least-y.Least)) })
	return sum
}

func (s slice) String() string {
	return fmt.Sprintf("%d ms, %s, %s: %d lost, %d moves in %.0f s", s.Lease, s.Class, s.Stress, s.Lost, s.Moves, s.Seconds)
}
