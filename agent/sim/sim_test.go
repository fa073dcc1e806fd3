package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSchedules runs a fixed set of bad days.
func TestSchedules(t *testing.T) {
	for first := uint64(1); first <= schedules; first += batch {
		t.Run(fmt.Sprintf("seeds=%d-%d", first, first+batch-1), func(t *testing.T) {
			t.Parallel()
			var seen Seen
			for seed := first; seed < first+batch; seed++ {
				one, broken := Run(Draw(seed), nil)
				seen.Add(one)
				if broken != nil {
					t.Fatalf("seed %d: %s\nsee it: %s\n%s", seed, broken, Again(seed), shrunk(seed, broken))
				}
			}
			if seen.Moves < batch || seen.Hits < 100*batch || seen.Flushes < batch {
				t.Errorf("hardly anything happened: %+v", seen)
			}
		})
	}
}

// batch is how many seeds make one subtest.
const batch = 10

// shrunk tells the end of the shortest way found to break the rule again.
func shrunk(seed uint64, broken *Violation) string {
	p := Shrink(Draw(seed), broken.Rule, 60)
	var trace bytes.Buffer
	Run(p, &trace)
	lines := strings.Split(trace.String(), "\n")
	return strings.Join(append(lines[:1], lines[max(1, len(lines)-80):]...), "\n")
}

// TestSameSeedSameTrace runs seeds twice and compares all that they wrote. Another process, with or without
// the race detector, must write the same: testdata holds what one did.
func TestSameSeedSameTrace(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		var one, two bytes.Buffer
		Run(Draw(seed), &one)
		Run(Draw(seed), &two)
		if one.Len() == 0 || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("seed %d: two runs wrote %d and %d bytes that differ", seed, one.Len(), two.Len())
		}
	}
}

// TestTraceOfAnotherProcess compares a trace with what another process wrote, which the race detector did
// not watch.
func TestTraceOfAnotherProcess(t *testing.T) {
	const seed = 5
	soak := buildSoak(t, "")
	theirs, err := soak("-seed", fmt.Sprint(seed), "-trace", "-whole")
	if err != nil {
		t.Fatalf("%v\n%s", err, theirs)
	}
	var ours bytes.Buffer
	Run(Draw(seed), &ours)
	if ours.Len() == 0 || !strings.HasPrefix(theirs, ours.String()) {
		t.Errorf("seed %d: this process wrote %d bytes, another one something else", seed, ours.Len())
	}
}

// TestShrinkKeepsTheRule gives Shrink a world that breaks a rule because its clocks run outside the bound.
func TestShrinkKeepsTheRule(t *testing.T) {
	p, broken := brokenByDrift(t)
	small := Shrink(p, broken.Rule, 60)
	_, again := Run(small, nil)
	if again == nil || again.Rule != broken.Rule || len(small.Acts) > len(p.Acts) {
		t.Errorf("from %d acts that break %q it made %d that break %v", len(p.Acts), broken.Rule, len(small.Acts), again)
	}
}

// TestClocksBeyondTheBound shows that the stated bound on clock rates is needed: far outside it two hosts
// answer at once.
func TestClocksBeyondTheBound(t *testing.T) { brokenByDrift(t) }

func brokenByDrift(t *testing.T) (Plan, *Violation) {
	for seed := range uint64(40) {
		p := Draw(seed + 1)
		p.Shape.DriftPPM, p.Shape.Lease, p.Shape.Fence = 80_000, 3*time.Second, FenceKernel
		p.Acts = slices.DeleteFunc(p.Acts, func(a Act) bool { return a.Kind != Isolate && a.Kind != FreezeAgent })
		for i := range 8 {
			p.Acts = append(p.Acts, Act{At: calmFor + time.Duration(4*i)*time.Second, Kind: Isolate, A: i, For: 3500 * time.Millisecond})
		}
		if _, broken := Run(p, nil); broken != nil && broken.Rule == ruleOneHolder {
			return p, broken
		}
	}
	t.Fatal("clocks that differ by up to 16 % broke nothing in 40 schedules")
	return Plan{}, nil
}

// TestEveryKindHappens sees that each kind of act is drawn, so that none is a dead letter.
func TestEveryKindHappens(t *testing.T) {
	drawn := map[Kind]int{}
	for seed := range uint64(2000) {
		for _, a := range Draw(seed).Acts {
			drawn[a.Kind]++
		}
	}
	for k := range kinds {
		if drawn[k] < 100 {
			t.Errorf("%s was drawn %d times in 2000 schedules", k, drawn[k])
		}
	}
}
