package main

import (
	"slices"
	"testing"
	"time"

	"memvip/agent/sim"
)

// A seed whose world never ends is told, as one that breaks a rule is; one that ended is not.
func TestSeedWithoutEndIsTold(t *testing.T) {
	s := soak{next: 7, tried: map[uint64]time.Time{}}
	stuck, _ := s.take(time.Now())
	done, _ := s.take(time.Now())
	s.put(done, sim.Seen{}, nil)
	if got := s.endless(time.Now()); len(got) > 0 {
		t.Errorf("told at once: %v", got)
	}
	if got := s.endless(time.Now().Add(tooLong + time.Second)); !slices.Equal(got, []uint64{stuck}) {
		t.Errorf("told: %v, want %d alone", got, stuck)
	}
}
