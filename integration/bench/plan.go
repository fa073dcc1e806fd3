package main

// round is what happens between two times that all hosts are made afresh.
type round struct {
	contender contender
	site      kind
	steps     []step
}

// step is one run of one fault.
type step struct {
	fault fault
	run   int // from 1
	vip   int // index
}

// plan puts all runs in order. Every contender and every fault has its turn before any has the next, ours and theirs one
// after the other, so that a busy minute of the machine falls on all of them. Each time the turns begin with another.
// The VIPs take turns within a round, since a home that lost its VIP again and again waits longer each
// time; fresh hosts have forgotten that. They also take turns over the runs of one fault.
func plan(contenders []contender, faults []fault, runs, vips int) []round {
	var rounds []round
	for run := range runs {
		for i := range contenders {
			c := contenders[(i+2*run)%len(contenders)] // by two, so that ours and theirs alternate from round to round
			for _, k := range kinds {
				if steps := turns(faultsFor(c, k, faults), run, vips); len(steps) > 0 {
					rounds = append(rounds, round{contender: c, site: k, steps: steps})
				}
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

func faultsFor(c contender, k kind, faults []fault) []fault {
	var some []fault
	for _, f := range faults {
		if f.site == k && f.suits(c) {
			some = append(some, f)
		}
	}
	return some
}

// without leaves out the runs that are done.
func without(rounds []round, done func(contender string, st step) bool) []round {
	var left []round
	for _, r := range rounds {
		var steps []step
		for _, st := range r.steps {
			if !done(r.contender.name, st) {
				steps = append(steps, st)
			}
		}
		if len(steps) > 0 {
			left = append(left, round{contender: r.contender, site: r.site, steps: steps})
		}
	}
	return left
}

func stepsIn(rounds []round) int {
	n := 0
	for _, r := range rounds {
		n += len(r.steps)
	}
	return n
}
