package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestPlanGivesEveryFaultEveryRunOnce(t *testing.T) {
	for _, runs := range []int{1, 2, 10} {
		seen := map[string]int{}
		for _, r := range plan(faults, runs, vips) {
			for _, st := range r.steps {
				seen[fmt.Sprint(st.fault.name, st.run)]++
				if st.fault.site != r.site {
					t.Errorf("%s happens on hosts %q", st.fault.name, r.site)
				}
				if st.vip < 0 || st.vip >= vips {
					t.Errorf("%s strikes VIP %d", st.fault.name, st.vip)
				}
			}
		}
		for _, f := range faults {
			for run := 1; run <= runs; run++ {
				if n := seen[fmt.Sprint(f.name, run)]; n != 1 {
					t.Errorf("%d runs: run %d of %s happens %d times", runs, run, f.name, n)
				}
			}
		}
		if len(seen) != runs*len(faults) {
			t.Errorf("%d runs: %d steps, want %d", runs, len(seen), runs*len(faults))
		}
	}
}

func TestPlanTakesTurns(t *testing.T) {
	a, b, c := fault{name: "a"}, fault{name: "b"}, fault{name: "c", site: withoutConnector}
	var got []string
	for _, r := range plan([]fault{a, b, c}, 2, 3) {
		for _, st := range r.steps {
			got = append(got, fmt.Sprintf("%s%d@%d", st.fault.name, st.run, st.vip))
		}
	}
	want := []string{"a1@0", "b1@1", "c1@0", "b2@2", "a2@0", "c2@2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A home waits twice as long after each loss, so no VIP may be struck often before the hosts are made afresh.
func TestPlanSpreadsLossesOverVIPs(t *testing.T) {
	for _, r := range plan(faults, 10, vips) {
		struck := map[int]int{}
		for _, st := range r.steps {
			struck[st.vip]++
		}
		for vip, n := range struck {
			if n > (len(r.steps)+vips-1)/vips {
				t.Errorf("VIP %d is struck %d times of %d in one round", vip, n, len(r.steps))
			}
		}
	}
}

func TestNoHostsForNothing(t *testing.T) {
	if rounds := plan([]fault{{name: "a"}}, 3, vips); len(rounds) != 3 {
		t.Errorf("%d rounds, want one for each run: nothing happens on the other kind of hosts", len(rounds))
	}
}

// Every fault strikes every VIP in turn, alone or among others.
func TestPlanStrikesEveryVIP(t *testing.T) {
	for _, some := range [][]fault{faults, faults[:1], faults[:2], faults[4:7]} {
		struck := map[string]map[int]bool{}
		for _, r := range plan(some, 2*vips, vips) {
			for _, st := range r.steps {
				if struck[st.fault.name] == nil {
					struck[st.fault.name] = map[int]bool{}
				}
				struck[st.fault.name][st.vip] = true
			}
		}
		for name, where := range struck {
			if len(where) < 2 {
				t.Errorf("among %d faults %s strikes the VIPs %v only", len(some), name, where)
			}
		}
	}
}
