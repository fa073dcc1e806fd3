package core

import (
	"testing"
	"time"
)

// TestDuel: of two candidates whose voters each prefer the other, exactly one gives way, and only once they have met for two
// round trips.
func TestDuel(t *testing.T) {
	seen := map[bool]int{}
	for _, rival := range []string{"n1", "n2"} {
		for _, name := range []Name{"v1", "v2"} {
			m, _, _ := proved()
			l := m.leases[name]
			m.heardOf()
			m.claimFresh(l)
			refusal := func() {
				newest, _ := l.newest()
				a := Answer{Voter: rival, Request: Request{m.self.Start, newest.counter}}
				m.attemptAnswered(l, m.seat(rival), &a, &AnswerEntry{Name: name, Asked: true, Refused: Held, Grantee: rival, Left: time.Second})
			}
			refusal()
			m.now = m.now.Add(2*m.rtt() - 1)
			m.propose(l)
			if refusal(); l.role != Candidate || l.try.repeatAt == 0 {
				t.Fatalf("%s at %s: %s at the first meeting, asks again at %d", name, rival, l.role, l.try.repeatAt)
			}
			m.now++
			m.propose(l)
			refusal()
			yields, below := l.role == Idle, rendezvous(name, rival) > rendezvous(name, "n0")
			if yields != below {
				t.Errorf("%s at %s: gives way %t, the rival ranks above it %t", name, rival, yields, below)
			}
			seen[yields]++
		}
	}
	if len(seen) != 2 {
		t.Errorf("not both cases were met: %v", seen)
	}
}
