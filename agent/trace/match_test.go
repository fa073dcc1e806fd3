package trace

import "testing"

// Of the messages between two nodes, the fastest each way say how far their clocks are apart; those of long ago say
// nothing, since clocks drift.
func TestAlign(t *testing.T) {
	const ahead = 5_000_000 // the voter's clock
	taker := Journal{Node: "c", Clock: "c", Wall: begin, Now: 10_000_000}
	voter := Journal{Node: "b", Clock: "b", Wall: begin, Now: 10_000_000 + ahead + 700_000} // whose time of day is 0.7 s behind
	for i, m := range []struct{ asked, out, back int64 }{
		{1_000_000, 1, 1}, // long ago, when the clocks were 20 ms nearer
		{9_000_000, 4_000, 30},
		{9_100_000, 40, 9_000},
		{9_200_000, 6_000, 6_000},
	} {
		drift := int64(0)
		if i == 0 {
			drift = -20_000
		}
		n := uint64(i + 1)
		taker.Marks = append(taker.Marks, Mark{At: m.asked, Step: ClaimSent, Peer: "b", Number: n})
		voter.Marks = append(voter.Marks,
			Mark{At: m.asked + m.out + ahead + drift, Step: ClaimHeard, Peer: "c", Number: n},
			Mark{At: m.asked + m.out + 10 + ahead + drift, Step: AnswerSent, Peer: "c", Number: n})
		taker.Marks = append(taker.Marks, Mark{At: m.asked + m.out + 10 + m.back, Step: AnswerHeard, Peer: "b", Number: n})
	}
	taker.Marks = append(taker.Marks, Mark{At: 9_500_000, Step: Up})
	e := gather([]Journal{taker, voter})
	if got, want := e.align(point{0, len(taker.Marks) - 1}), int64(-ahead-5); got[0] != 0 || got[1] != want {
		t.Errorf("offsets %v, want 0 and %d: between 40 us there and 30 us back", got, want)
	}
	voter.Marks = voter.Marks[:0] // then it is the time of day that says
	e = gather([]Journal{taker, voter})
	if got, want := e.align(point{0, len(taker.Marks) - 1})[1], int64(-ahead-700_000); got != want {
		t.Errorf("offset %d, want %d", got, want)
	}
}
