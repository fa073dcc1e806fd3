// Command soak tries bad days on a simulated cluster: one after the other for a time, or one again.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"memvip/agent/sim"
)

func main() {
	var o soak
	seed := flag.Uint64("seed", 0, "run only this seed")
	trace := flag.Bool("trace", false, "with -seed: write what happens")
	whole := flag.Bool("whole", false, "with -seed: do not look for a shorter day that goes wrong in the same way")
	flag.Uint64Var(&o.from, "from", 1, "first seed")
	flag.Uint64Var(&o.count, "count", 0, "how many seeds; 0: as many as there is time for")
	flag.DurationVar(&o.length, "for", 0, "how long; 0: until all seeds are tried")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many at a time")
	flag.BoolVar(&o.goOn, "go-on", false, "do not stop at the first seed that breaks a rule")
	flag.Parse()
	debug.SetGCPercent(1000) // a world is small, short-lived garbage
	if *seed != 0 {
		os.Exit(again(*seed, *trace, *whole))
	}
	os.Exit(o.run())
}

// again runs one seed, and tells the shortest way found to break the same rule.
func again(seed uint64, trace, whole bool) int {
	plan := sim.Draw(seed)
	_, broken := sim.Run(plan, nil)
	if broken != nil && !whole {
		plan = sim.Shrink(plan, broken.Rule, 400)
	}
	out := io.Discard
	if trace {
		out = os.Stdout
	}
	begun := time.Now()
	seen, broken := sim.Run(plan, out)
	fmt.Printf("seed %d: %s\n", seed, plan.Shape)
	if plan.Spare > 0 {
		fmt.Printf("  of the voters number %d stays dead until the others serve again\n", plan.Spare)
	}
	for _, a := range plan.Acts {
		fmt.Println(" ", a)
	}
	fmt.Printf("%s; %.0f simulated seconds a second\n", summary(seen), seen.Time.Seconds()/time.Since(begun).Seconds())
	if broken != nil {
		fmt.Println("BROKEN:", broken)
		return 1
	}
	return 0
}

func summary(s sim.Seen) string {
	return fmt.Sprintf("%.0f simulated seconds, %d steps, %d packets, %d operations (%d hits, %d misses, %d failed), %d moves, %d hand-backs, %d flushes, %d restarts; after the last fault all served within %s, all home within %s",
		s.Time.Seconds(), s.Steps, s.Packets, s.Operations, s.Hits, s.Misses, s.Failures, s.Moves, s.Handbacks, s.Flushes, s.Restarts, s.Served, s.Home)
}
