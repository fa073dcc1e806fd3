package size

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
)

const patience = time.Minute

func shapeOf(nodes int) Shape {
	return Shape{Nodes: nodes, VIPs: nodes, Voters: 3, Lease: 600 * time.Millisecond, Costs: LAN, Seed: 1}
}

// settled is a cluster whose VIPs are all at home, and have been for a while.
func settled(t *testing.T, s Shape) *World {
	t.Helper()
	w, err := New(s)
	if err == nil {
		_, err = w.Settle(patience)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Pass(2 * time.Second)
	return w
}

func mustMeasure(t *testing.T, w *World, d time.Duration) (voters, others Load) {
	t.Helper()
	voters, others, err := w.Measure(func() error { w.Pass(d); return nil })
	if err = errors.Join(err, w.Unsendable()); err != nil {
		t.Fatal(err)
	}
	if voters.Time != d || others.Time != d {
		t.Fatalf("measured for %s and %s, want %s", voters.Time, others.Time, d)
	}
	return voters, others
}

func TestShapesAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Shape){
		"2 nodes":            func(s *Shape) { s.Nodes = 2 },
		"0 VIPs":             func(s *Shape) { s.VIPs = 0 },
		"4 voters of 3":      func(s *Shape) { s.Voters = 4 },
		"2 voters":           func(s *Shape) { s.Voters = 2 },
		"lease 10ms: want 2": func(s *Shape) { s.Lease = 10 * time.Millisecond },
	} {
		s := shapeOf(3)
		change(&s)
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one of %s", err, want)
		}
	}
}

// A fresh cluster is served after its voters' silence, as one of real hosts is.
func TestSettles(t *testing.T) {
	w, err := New(shapeOf(5))
	if err != nil {
		t.Fatal(err)
	}
	took, err := w.Settle(patience)
	if err != nil || took < core.LeaseMax || took > core.LeaseMax+2*time.Second {
		t.Errorf("at home after %s, %v; want the silence of %s and a little", took, err, core.LeaseMax)
	}
	if got := w.MostHeld(); got != 1 {
		t.Errorf("a host has %d VIPs, want 1", got)
	}
}

func TestNotSettledInTime(t *testing.T) {
	w, err := New(shapeOf(3))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Settle(time.Second); !errors.Is(err, ErrNotInTime) {
		t.Errorf("error %v, want %v: voters are silent yet", err, ErrNotInTime)
	}
	if w.Now() != time.Second {
		t.Errorf("%s passed, want 1s", w.Now())
	}
}

// The same seed gives the same events, and another one others.
func TestSeeds(t *testing.T) {
	run := func(seed uint64) (outages []Outage, traffic [2]Traffic) {
		s := shapeOf(10)
		s.Seed = seed
		w := settled(t, s)
		voters, others := mustMeasure(t, w, time.Second)
		outages, err := w.Strike([]int{5}, patience)
		if err != nil {
			t.Fatal(err)
		}
		return outages, [2]Traffic{voters.Traffic, others.Traffic}
	}
	outages, traffic := run(1)
	again, trafficAgain := run(1)
	if diff := cmp.Diff(outages, again) + cmp.Diff(traffic, trafficAgain); diff != "" {
		t.Errorf("another course of events:\n%s", diff)
	}
	if other, _ := run(2); cmp.Equal(outages, other) {
		t.Errorf("seeds 1 and 2 give the same: %v", outages)
	}
}

// What leases cost a node without a vote does not depend on how many nodes there are; a voter hears all of them.
func TestTrafficOfLeases(t *testing.T) {
	few, many := settled(t, shapeOf(6)), settled(t, shapeOf(15))
	const d = 3 * time.Second
	votersOfFew, othersOfFew := mustMeasure(t, few, d)
	votersOfMany, othersOfMany := mustMeasure(t, many, d)
	for _, l := range []Load{othersOfFew, othersOfMany} {
		// Three voters, each asked every quarter of a lease of 600 ms.
		if got := l.PerSecond(l.Traffic.Leases().Sent); got < 19 || got > 22 {
			t.Errorf("of %d nodes without a vote each sent %.1f packets a second for its leases, want 20", l.Nodes, got)
		}
		if got := l.PerSecond(l.Traffic.Leases().Received); got < 19 || got > 22 {
			t.Errorf("of %d nodes without a vote each heard %.1f packets a second, want 20", l.Nodes, got)
		}
	}
	ratio := votersOfMany.PerSecond(votersOfMany.Traffic.Claims.Received) / votersOfFew.PerSecond(votersOfFew.Traffic.Claims.Received)
	if ratio < 14.0/5*0.95 || ratio > 14.0/5*1.05 {
		t.Errorf("with 14 other nodes a voter hears %.2f times what it hears of 5", ratio)
	}
	if votersOfFew.Traffic.Claims.ReceivedBytes == 0 || votersOfFew.Busy() <= 0 || votersOfFew.CodecBusy() <= 0 {
		t.Errorf("nothing is weighed: %+v", votersOfFew)
	}
}

// A quiet cluster's nodes tell each other nothing but what leases need, and live on.
func TestQuiet(t *testing.T) {
	s := shapeOf(6)
	s.Quiet = true
	voters, others := mustMeasure(t, settled(t, s), time.Second)
	if got := voters.Traffic.States.Sent + others.Traffic.States.Sent; got != 0 {
		t.Errorf("%d states sent, want none", got)
	}
	loud, _ := mustMeasure(t, settled(t, shapeOf(6)), 2*time.Second)
	if got := loud.PerSecond(loud.Traffic.States.Sent); got < 4 || got > 6 {
		t.Errorf("each of 6 sends %.1f states a second, want one to each of 5 others", got)
	}
}

// What is too long for gossip is told.
func TestUnsendable(t *testing.T) {
	var s scales
	s.message(core.Hint{})
	if err := s.trouble(); err != nil {
		t.Errorf("a hint cannot be sent: %v", err)
	}
	s.message(core.Answer{Entries: make([]core.AnswerEntry, 100_000)})
	if err := s.trouble(); err == nil {
		t.Error("an answer of 100,000 entries can be sent")
	}
}

// A host dies, is mended, and has its VIP back; then its memcached exits.
func TestStrikes(t *testing.T) {
	w := settled(t, shapeOf(6))
	lease := w.shape.Lease
	outages, err := w.Strike([]int{4}, patience)
	if err != nil || len(outages) != 1 || outages[0].From != nameOf(4) || outages[0].To == nameOf(4) {
		t.Fatalf("%v, %v", outages, err)
	}
	if d := outages[0].Lasted; d < lease*3/4-lease/10 || d > lease+lease/10 {
		t.Errorf("a dead host's VIP was up elsewhere after %s, want a lease less the time since its renewal", d)
	}
	w.Mend([]int{4})
	if _, err := w.Settle(patience); err != nil {
		t.Fatal(err)
	}
	w.Pass(time.Second)
	outages, err = w.Exit(4, patience)
	if err != nil || len(outages) != 1 || outages[0].Lasted > 20*time.Millisecond {
		t.Fatalf("memcached exits: %v, %v; want its VIP elsewhere in a moment", outages, err)
	}
	w.Mend([]int{4})
	if _, err := w.Settle(patience); err != nil {
		t.Fatal(err)
	}
}

// A rack's VIPs are all placed, and spread.
func TestRack(t *testing.T) {
	w := settled(t, shapeOf(20))
	rack := w.Rack()
	if want := []int{0, 10}; !slices.Equal(rack, want) {
		t.Fatalf("rack %v, want %v", rack, want)
	}
	outages, err := w.Strike(rack, patience)
	if err != nil || len(outages) != 2 {
		t.Fatalf("%v, %v; want 2 VIPs placed", outages, err)
	}
	if got := w.MostHeld(); got != 2 {
		t.Errorf("a host has %d VIPs, want two at most: its own and a guest", got)
	}
	if got := settled(t, shapeOf(3)).Rack(); !slices.Equal(got, []int{0}) {
		t.Errorf("a rack of three hosts is %v, want the first", got)
	}
}

// Without a majority of voters nothing is placed.
func TestNobodyIsLeftToVote(t *testing.T) {
	w := settled(t, shapeOf(5))
	if _, err := w.Strike([]int{0, 1}, 5*time.Second); !errors.Is(err, ErrNotInTime) {
		t.Errorf("error %v, want %v", err, ErrNotInTime)
	}
}
