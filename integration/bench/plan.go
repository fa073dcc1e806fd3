package main

// round is what happens between two times that all hosts are made afresh.
type round struct {
	site  kind
	steps []step
}

// step is one run of one fault.
type step struct {
	fault fault
	run   int // from 1
	vip   int // index
}

// plan puts all runs in order. Every fault has its turn before any has the next, and each time the turns begin with
// another fault, so that a busy minute of the machine falls on all of them and nothing always follows the same
// thing. The VIPs take turns within a round, since a home that lost its VIP again and again waits longer each
// time; fresh hosts have forgotten that. They also take turns over the runs of one fault.
func plan(faults []fault, runs, vips int) []round {
	var rounds []round
	for run := range runs {
		for _, k := range kinds {
			if steps := turns(ofKind(faults, k), run, vips); len(steps) > 0 {
				rounds = append(rounds, round{site: k, steps: steps})
			}
		}
	}
	return rounds
}

func turns(faults []fault, run, vips int) []step {
	steps := make([]step, len(faults))
	for i := range faults {
		steps[i] = step{fault: faults[(i+run)%len(faults)], run: run + 1, vip: (i + 2*run) % vips}
	}
	return steps
}

func ofKind(faults []fault, k kind) []fault {
	var some []fault
	for _, f := range faults {
		if f.site == k {
			some = append(some, f)
		}
	}
	return some
}
