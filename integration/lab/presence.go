package lab

import (
	"sort"
	"time"
)

// presence turns "asked at, answered at" into stretches during which one host certainly answered ARP
// for one VIP. A host that answers two rounds in a row was there in between; one that misses a round
// is taken to have been away since its last answer. So what overlaps did overlap: an address that
// moves, however slowly the asker is scheduled, never looks like two.
type presence struct {
	rounds    []Instant // when each round was sent, ascending
	stretches []stretch
}

type stretch struct {
	first, last Instant
	round       int // the round that last was the answer to
}

// asked notes that a round of questions is about to be sent.
func (p *presence) asked(at Instant) { p.rounds = append(p.rounds, at) }

// answered notes an answer that arrived at the given instant.
func (p *presence) answered(at Instant) {
	round := sort.Search(len(p.rounds), func(i int) bool { return p.rounds[i] > at }) - 1
	if n := len(p.stretches); n > 0 {
		last := &p.stretches[n-1]
		if round-last.round <= 1 {
			last.last, last.round = max(last.last, at), max(last.round, round)
			return
		}
	}
	p.stretches = append(p.stretches, stretch{first: at, last: at, round: round})
}

// forget drops rounds and stretches that ended before the instant.
func (p *presence) forget(before Instant) {
	keep := sort.Search(len(p.rounds), func(i int) bool { return p.rounds[i] >= before })
	p.rounds = append([]Instant(nil), p.rounds[keep:]...)
	var left []stretch
	for _, s := range p.stretches {
		if s.last >= before {
			s.round -= keep
			left = append(left, s)
		}
	}
	p.stretches = left
}

// overlap is how long, within [since, until], stretches of two or more lists lay over each other.
// Each list by itself is free of overlaps.
func overlap(lists [][]stretch, since, until Instant) time.Duration {
	type edge struct {
		at   Instant
		step int
	}
	var edges []edge
	for _, list := range lists {
		for _, s := range list {
			first, last := max(s.first, since), min(s.last, until)
			if first < last {
				edges = append(edges, edge{first, 1}, edge{last, -1})
			}
		}
	}
	sort.Slice(edges, func(i, j int) bool { return edges[i].at < edges[j].at })
	var sum time.Duration
	there := 0
	for i, e := range edges {
		if there >= 2 {
			sum += e.at.Sub(edges[i-1].at)
		}
		there += e.step
	}
	return sum
}
