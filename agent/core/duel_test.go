package core

import (
	"slices"
	"testing"
	"time"
)

// duel is a fresh candidate for a VIP and a rival that has a voter's grant.
type duel struct {
	m     *Machine
	l     *lease
	rival string
}

func newDuel(name Name, rival string) duel {
	m, _, _ := proved()
	m.heardOf()
	d := duel{m, m.leases[name], rival}
	m.claimFresh(d.l)
	return d
}

// refused is the rival's voter refusing the newest request.
func (d duel) refused(above bool) {
	newest, _ := d.l.newest()
	a := Answer{Voter: d.rival, Request: Request{d.m.self.Start, newest.counter}}
	d.m.attemptAnswered(d.l, d.m.seat(d.rival), &a, &AnswerEntry{Name: d.l.name, Asked: true, Refused: Held, Grantee: d.rival, Above: above, Left: time.Second})
}

// later asks again a time after.
func (d duel) later(after time.Duration) {
	d.m.now = d.m.now.Add(after)
	d.m.propose(d.l)
}

func (d duel) hashBelow() bool {
	return rendezvous(d.l.name, d.rival) > rendezvous(d.l.name, d.m.cfg.Node)
}

// TestDuel: two candidates go by the ranking of each other's voters when they meet, and once both have had the time to, by what
// both know alike: then exactly one gives way, whatever voters say.
func TestDuel(t *testing.T) {
	seen := map[bool]int{}
	for _, rival := range []string{"n1", "n2"} {
		for _, name := range []Name{"v1", "v2"} {
			for _, above := range []bool{false, true} {
				d := newDuel(name, rival)
				d.refused(false)
				d.later(3*d.m.rtt() - 1)
				if d.refused(false); d.l.role != Candidate || d.l.try.repeatAt == 0 {
					t.Fatalf("%s at %s: %s at the first meeting, asks again at %d", name, rival, d.l.role, d.l.try.repeatAt)
				}
				d.later(1)
				d.refused(above)
				if yields := d.l.role == Idle; yields != d.hashBelow() {
					t.Errorf("%s at %s, which its voter ranks above: %t: gives way %t", name, rival, above, yields)
				}
				seen[d.hashBelow()]++
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("not both cases were met: %v", seen)
	}
}

// TestDuelIsRemembered: candidates that ended their attempts together know each other in the next ones.
func TestDuelIsRemembered(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		known bool
	}{{100 * time.Millisecond, true}, {2 * time.Second, false}} {
		for _, rival := range []string{"n1", "n2"} {
			d := newDuel("v1", rival)
			d.refused(false)
			d.m.giveUp(d.l, CauseRefused)
			d.m.now = d.m.now.Add(c.after)
			d.m.heardOf()
			d.m.claimFresh(d.l)
			d.refused(true)
			if yields, want := d.l.role == Idle, !c.known || d.hashBelow(); yields != want {
				t.Errorf("%s after it met %s: gives way %t, want %t", c.after, rival, yields, want)
			}
		}
	}
}

// TestDuelForACache: who goes on with its cache gives way to nobody, for as long as a majority speaks for it.
func TestDuelForACache(t *testing.T) {
	for _, c := range []struct {
		speak  []string
		yields bool
	}{{[]string{"n0", "n2"}, false}, {[]string{"n0"}, true}} {
		m, l, _ := proved()
		m.heardOf()
		served := Term{Epoch: 1, Node: "n0", ID: 1}
		l.site.kept = &ServiceRecord{VIP: "v1", Instance: "mc", Served: served, Confirmed: map[string]uint64{"n0": 1, "n1": 1, "n2": 1}}
		for _, voter := range c.speak {
			p := m.seat(voter)
			p.heard, p.memory, p.viewed, p.viewedAt = true, 1, m.now, m.now
			p.views[l.no].Last = served
		}
		if !m.mayContinue(l.site) {
			t.Fatal("it has nothing to go on with")
		}
		m.becomeCandidate(l, Continuation, served, CauseContinue)
		d := duel{m, l, "n1"}
		for range 5 {
			d.refused(true)
			if l.role == Candidate {
				d.later(2 * m.rtt())
			}
		}
		if yields := l.role == Idle; yields != c.yields {
			t.Errorf("%q speak for it: gives way %t", c.speak, yields)
		}
	}
}

// TestHintDuringBackOff: a hint that comes too soon is followed when the back-off is over. Two that gave up together name each other
// at that moment, and their voters would name nobody again for a quarter of a lease.
func TestHintDuringBackOff(t *testing.T) {
	d := newDuel("v1", "n1")
	d.m.giveUp(d.l, CauseRival)
	d.l.retryAt = d.m.now.Add(time.Second)
	d.m.hinted(Hint{Voter: "n1", Name: "v1"})
	if d.l.role != Idle || d.l.retryAt != d.l.notBefore {
		t.Fatalf("hinted: %s, tries again in %s, back-off for %s", d.l.role, d.l.retryAt.Sub(d.m.now), d.l.notBefore.Sub(d.m.now))
	}
	if out := d.m.Step(d.l.notBefore, Tick{}); d.l.role != Candidate || !slices.ContainsFunc(out, func(e Effect) bool { _, ok := e.(Send); return ok }) {
		t.Errorf("when the back-off is over: %s", d.l.role)
	}
}

// TestRetryWhenFree: what a voter said is left counts from its word on, however long the attempt lasts after that.
func TestRetryWhenFree(t *testing.T) {
	d := newDuel("v1", "n1")
	free := d.m.now.Add(time.Second)
	d.refused(false)
	d.m.now = d.m.now.Add(100 * time.Millisecond)
	if d.m.giveUp(d.l, CauseRefused); d.l.retryAt != free {
		t.Errorf("tries again %s after the name is free", d.l.retryAt.Sub(free))
	}
}
