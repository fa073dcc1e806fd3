package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestPlanGivesEveryFaultEveryRunOnce(t *testing.T) {
	for _, runs := range []int{1, 2, 10} {
		seen := map[string]int{}
		want := 0
		for _, r := range plan(contenders, faults, runs, vips) {
			for _, st := range r.steps {
				seen[fmt.Sprint(r.contender.name, st.fault.name, st.run)]++
				if st.fault.site != r.site {
					t.Errorf("%s happens on hosts %q", st.fault.name, r.site)
				}
				if st.vip < 0 || st.vip >= vips {
					t.Errorf("%s strikes VIP %d", st.fault.name, st.vip)
				}
			}
		}
		for _, c := range contenders {
			for _, f := range faults {
				if !f.suits(c) {
					continue
				}
				want += runs
				for run := 1; run <= runs; run++ {
					if n := seen[fmt.Sprint(c.name, f.name, run)]; n != 1 {
						t.Errorf("%d runs: run %d of %s for %s happens %d times", runs, run, f.name, c.name, n)
					}
				}
			}
		}
		if len(seen) != want {
			t.Errorf("%d runs: %d steps, want %d", runs, len(seen), want)
		}
	}
}

// told writes a plan, one round a word.
func told(rounds []round) []string {
	var all []string
	for _, r := range rounds {
		var steps []string
		for _, st := range r.steps {
			steps = append(steps, fmt.Sprintf("%s%d@%d", st.fault.name, st.run, st.vip))
		}
		all = append(all, r.contender.name+":"+strings.Join(steps, ","))
	}
	return all
}

// Contenders take turns run by run, faults within, each time from another on.
func TestPlanTakesTurns(t *testing.T) {
	ours, theirs := contender{name: "M"}, contender{name: "K", keepalived: tuned(1)}
	a, b, c := fault{name: "a"}, fault{name: "b"}, fault{name: "c", site: withoutConnector, oursOnly: true}
	rounds := plan([]contender{ours, theirs}, []fault{a, b, c}, 2, 3)
	want := []string{"M:a1@0,b1@1", "M:c1@0", "K:a1@0,b1@1", "M:b2@2,a2@0", "M:c2@2", "K:b2@2,a2@0"}
	if got := told(rounds); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	// What is done is left out, and what is left stays where it was.
	done := func(name string, st step) bool { return st.run == 1 && name == "M" || st.fault.name == "a" }
	want = []string{"K:b1@1", "M:b2@2", "M:c2@2", "K:b2@2"}
	if left := without(rounds, done); !slices.Equal(told(left), want) || stepsIn(left) != len(want) {
		t.Errorf("left: %v, want %v", told(left), want)
	}
	if left := without(rounds, func(string, step) bool { return true }); len(left) != 0 {
		t.Errorf("hosts are made for nothing: %v", told(left))
	}
}

// Ours and theirs alternate over all rounds, and each time another one begins.
func TestPlanAlternates(t *testing.T) {
	var first []string
	rounds := plan(contenders, faults[:1], 3, vips)
	for i, r := range rounds {
		if i > 0 && r.contender.ours() == rounds[i-1].contender.ours() {
			t.Errorf("%s follows %s", r.contender.name, rounds[i-1].contender.name)
		}
		if i%len(contenders) == 0 {
			first = append(first, r.contender.name)
		}
	}
	slices.Sort(first)
	if len(slices.Compact(first)) != 3 {
		t.Errorf("rounds begin with %v", first)
	}
}

// A home waits twice as long after each loss, so no VIP may be struck often before the hosts are made afresh.
func TestPlanSpreadsLossesOverVIPs(t *testing.T) {
	for _, r := range plan(contenders, faults, 10, vips) {
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

// Every fault strikes every VIP in turn, alone or among others.
func TestPlanStrikesEveryVIP(t *testing.T) {
	for _, some := range [][]fault{faults, faults[:1], faults[:2], faults[4:7]} {
		struck := map[string]map[int]bool{}
		for _, r := range plan(contenders[:1], some, 2*vips, vips) {
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
