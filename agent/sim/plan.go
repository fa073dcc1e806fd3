package sim

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// Plan is one schedule: what the cluster is made of, and what befalls it when. Run makes of one Plan
// always the same history.
type Plan struct {
	Seed  uint64
	Shape Shape
	Acts  []Act
	Spare int // which of the voters, counted from 1, stays dead until the others serve again; 0: none
}

// When faults begin and end.
const (
	calmFor = 8 * time.Second // a fresh cluster comes up
	badFor  = 34 * time.Second
)

// Draw makes the plan of a seed.
func Draw(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := Plan{Seed: seed, Shape: drawShape(r)}
	if r.IntN(4) == 0 {
		p.Shape, p.Acts = drawPatterns(r, p.Shape, calmFor, calmFor+badFor)
	} else {
		day := drawDay(r)
		if day.dense {
			p.Shape = p.Shape.small(r)
		}
		p.Acts = day.acts(r, p.Shape, calmFor, calmFor+badFor)
	}
	if r.IntN(4) == 0 {
		p.Spare = 1 + r.IntN(p.Shape.Voters)
	}
	slices.SortStableFunc(p.Acts, func(a, b Act) int { return cmp.Compare(a.At, b.At) })
	return p
}

// Run carries a plan out, writes its history to trace unless that is nil, and returns what was seen and
// what was broken, if anything.
func Run(p Plan, trace io.Writer) (seen Seen, broken *Violation) {
	w := newWorld(p, trace)
	defer func() {
		if r := recover(); r != nil {
			w.fail(ruleInvariant, "%v", r)
			seen, broken = w.seen, w.broken
		}
	}()
	w.look()
	w.boot()
	for _, a := range p.Acts {
		w.tasks.push(int64(a.At), func() { w.do(a) })
	}
	w.until(int64(calmFor + badFor))
	if w.broken == nil {
		w.spare = w.spared(p.Spare)
		w.mend()
		w.settle()
	}
	w.seen.Time = time.Duration(w.now)
	return w.seen, w.broken
}

// Again is the command that shows a seed's run.
func Again(seed uint64) string { return fmt.Sprintf("go run ./agent/sim/soak -seed %d -trace", seed) }
