package trace

import (
	"testing"

	"memvip/agent/core"
)

// At rest, with renewals of all nodes, their answers and what the state file takes in between, nothing is kept.
func TestNothingAtRest(t *testing.T) {
	w := newWorld()
	n := w.nodes["a"]
	renewal := core.Claim{From: core.Claimant{Node: "b", Start: 1}, Counter: 5, Entries: []core.ClaimEntry{{Name: service, Kind: core.Renewal}}}
	for range 100 {
		n.hear(core.Tick{})
		n.order(core.Send{To: "b", Msg: renewal}, core.ProlongAddress{Name: service})
		n.hear(received(renewal))
		n.order(core.SaveState{Seq: 1})
		n.hear(core.StateSaved{Seq: 1})
		n.order(core.Send{To: "b", Msg: core.Answer{Voter: "a", Request: renewal.Request()}})
		n.hear(received(core.Answer{Voter: "b", Request: core.Request{Start: 1, Counter: 5}}))
		n.Address(service, Announced) // somebody had removed it
	}
	if marks := n.Journal(service).Marks; len(marks) != 0 {
		t.Errorf("%+v", marks)
	}
	if len(n.sent)+len(n.owed)+len(n.streams) != 0 {
		t.Errorf("%d sent, %d owed, %d streams", len(n.sent), len(n.owed), len(n.streams))
	}
	if allocs := testing.AllocsPerRun(100, func() {
		n.Heard(n.read(), heardRenewal)
		n.Done(sentRenewal)
	}); allocs != 0 {
		t.Errorf("%v allocations for a renewal", allocs)
	}
}

var (
	heardRenewal core.Event  = received(core.Claim{Entries: []core.ClaimEntry{{Name: service, Kind: core.Renewal}}})
	sentRenewal  core.Effect = core.Send{To: "b", Msg: core.Claim{Entries: []core.ClaimEntry{{Name: service, Kind: core.Renewal}}}}
)

// What is kept is bounded, however often a VIP changes hands and whatever is left unanswered.
func TestBounded(t *testing.T) {
	w := newWorld()
	for range 200 {
		failOver(w)
	}
	for name, n := range w.nodes {
		if got := len(n.Journal(service).Marks); got > marksMax || got < marksMax/2 {
			t.Errorf("%s keeps %d marks, at most %d are allowed", name, got, marksMax)
		}
	}
	n := w.nodes["b"]
	for i := range uint64(3 * openMax) {
		n.hear(received(core.Release{From: core.Claimant{Node: "a", Start: 1}, Counter: i, Entries: []core.ReleaseEntry{{Name: service}}}))
		n.order(core.Send{To: "a", Msg: core.Release{From: core.Claimant{Node: "b", Start: 1}, Counter: i, Entries: []core.ReleaseEntry{{Name: service}}}})
	}
	if len(n.owed) > openMax || len(n.sent) > openMax {
		t.Errorf("%d owed and %d sent are remembered, at most %d each are allowed", len(n.owed), len(n.sent), openMax)
	}
}

// A voter that names a candidate in vain keeps one mark of it, with its newest time.
func TestHintsInVain(t *testing.T) {
	w := newWorld()
	b, c := w.nodes["b"], w.nodes["c"]
	h := core.Hint{Voter: "b", Name: service, Last: core.Term{Epoch: 6}}
	for range 50 {
		w.pass(150_000)
		b.hear(core.Tick{})
		b.order(core.Send{To: "c", Msg: h})
		c.hear(received(h))
	}
	for name, want := range map[string][]Step{"b": {Free, HintSent}, "c": {HintHeard}} {
		marks := w.nodes[name].Journal(service).Marks
		if len(marks) != len(want) || marks[0].Step != want[0] || marks[0].At < w.now-20 {
			t.Errorf("%s: %+v, want %v just now", name, marks, want)
		}
	}
}

// A VIP that is not configured, the slot of hand-backs and the tainted leave no mark.
func TestOthersLeaveNone(t *testing.T) {
	w := newWorld()
	n := w.nodes["a"]
	n.hear(received(core.Hint{Voter: "b", Name: service, Tainted: true}))
	n.hear(received(core.Claim{From: core.Claimant{Node: "b"}, Entries: []core.ClaimEntry{{Name: core.HandbackSlot, Kind: core.Fresh}, {Name: "10.9.9.9", Kind: core.Fresh}}}))
	n.order(core.Send{To: "b", Msg: core.Answer{Voter: "a"}}, core.Transition{Name: core.HandbackSlot, To: core.Candidate.String()})
	if len(n.streams) != 0 || len(n.owed) != 0 {
		t.Errorf("%d streams, %d owed", len(n.streams), len(n.owed))
	}
	if marks := n.Journal("10.9.9.9").Marks; marks == nil || len(marks) != 0 {
		t.Errorf("%#v, want an empty list", marks)
	}
}

// Every step has words and a kind, and those that lead to it are steps.
func TestSteps(t *testing.T) {
	for s, about := range steps {
		if about.words == "" || about.kind == "" {
			t.Errorf("%s: %+v", s, about)
		}
		for _, led := range append(about.after, about.from) {
			if _, known := steps[led]; !known && led != "" {
				t.Errorf("%s: %s is no step", s, led)
			}
		}
		if (Span{Step: s, Peer: "b"}).Text() == "" {
			t.Errorf("%s has no text", s)
		}
	}
}
