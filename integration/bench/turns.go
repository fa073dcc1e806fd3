package main

import (
	"fmt"
	"time"

	"memvip/integration/lab"
)

// soonestBack is less than what any rightful move and its return take: a stand-in keeps a VIP for failback_delay at
// least, and a home that loses its VIP at once has held it for most of a lease.
const soonestBack = failbackDelay

// inTurns tells two hosts that answer at the same time from a VIP that moved twice. A client sees the same of
// both: A, then B, then A again. Two hosts are certain if ARP saw them, or if one answered between two answers of
// the other for so short a time that nothing can have moved there and back.
func inTurns(turns []lab.Turn, doubled bool) bool {
	if len(turns) < 3 {
		return false // one move at most
	}
	if doubled {
		return true
	}
	for i := 1; i < len(turns)-1; i++ {
		if turns[i-1].Host == turns[i+1].Host && turns[i].Last.Sub(turns[i].First) < soonestBack {
			return true
		}
	}
	return false
}

// wantedStays is the number of hosts that answer one after the other in a run as it should be: home, stand-in, home.
// A hand-back begins at the stand-in.
func wantedStays(f fault) int {
	if f.homeward {
		return 2
	}
	return 3
}

// itinerary is who answered, and for how long.
func itinerary(turns []lab.Turn) []string {
	where := make([]string, len(turns))
	for i, t := range turns {
		where[i] = fmt.Sprintf("%s %s", t.Host, t.Last.Sub(t.First).Round(time.Millisecond))
	}
	return where
}

// change is the gap at the first change of hosts, if there was one.
func change(turns []lab.Turn) (gap time.Duration, ok bool) {
	if len(turns) < 2 {
		return 0, false
	}
	return turns[1].First.Sub(turns[0].Last), true
}
