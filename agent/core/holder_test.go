package core

import (
	"slices"
	"testing"
	"time"
)

// proved is a machine of three voters whose instance is proved for two VIPs, and their leases.
func proved() (m *Machine, v1, v2 *lease) {
	cfg := leaseConfig
	cfg.Node, cfg.VIPs = "n0", []VIP{{Name: "v1", Home: "n0", Instance: "mc"}, {Name: "v2", Home: "n0", Instance: "mc"}}
	cfg.Voters = []string{"n0", "n1", "n2"}
	cfg.Nodes = cfg.Voters
	m = New(cfg)
	m.Step(1, Started{Boot: "b", Entropy: 1})
	in := m.instances["mc"]
	in.known, in.up, in.life = true, true, Incarnation{PID: 7}
	for _, v := range m.sites {
		v.kept = &ServiceRecord{VIP: v.Name, Instance: "mc", Proof: Proof{Incarnation: in.life, TotalItems: 1}}
	}
	return m, m.leases["v1"], m.leases["v2"]
}

// asked does something, and returns what it asks of the instance.
func asked(m *Machine, do func()) []CheckInstance {
	m.out = nil
	do()
	var list []CheckInstance
	for _, e := range m.out {
		if c, ok := e.(CheckInstance); ok {
			list = append(list, c)
		}
	}
	return list
}

func (m *Machine) claimFresh(l *lease) { m.becomeCandidate(l, Fresh, Term{}, CauseHint) }

// goUp takes a VIP, up to the order that lets clients in.
func (m *Machine) goUp(l *lease) {
	m.claimFresh(l)
	m.win(l)
	l.take.ordered = true
}

// goDown is what is left of a VIP after it has gone and the instance was proved anew, with the proof of another kept.
func (m *Machine) goDown(gone *lease) {
	m.becomeIdle(gone, CauseReleased)
	gone.site.kept = &ServiceRecord{VIP: gone.name, Instance: "mc", Proof: m.leases["v1"].site.kept.Proof}
}

func (m *Machine) win(l *lease) { m.becomeTaking(l, m.now.Add(time.Second)) }

// TestCheckBesideTheClaim: what the instance says when it is asked with the claim counts once the claim has won, and
// nothing is asked twice.
func TestCheckBesideTheClaim(t *testing.T) {
	m, l, _ := proved()
	first := asked(m, func() { m.claimFresh(l) })
	if len(first) != 1 || first[0].Name != "v1" || first[0].Proof != l.site.kept.Proof || first[0].Serving || first[0].Number == 0 {
		t.Fatalf("asked with the claim: %+v", first)
	}
	if again := asked(m, func() { m.propose(l) }); len(again) > 0 {
		t.Fatalf("asked with a second request at once: %+v", again)
	}
	m.now = m.now.Add(2*m.rtt() + 1)
	again := asked(m, func() { m.propose(l) })
	if len(again) != 1 || again[0].Number == first[0].Number {
		t.Fatalf("asked with a later request: %+v", again)
	}
	m.instanceChecked(InstanceChecked{"mc", "v1", first[0].Number, first[0].Proof, "", false})
	if l.checked {
		t.Error("the answer to the first question counts, though it was asked again since")
	}
	m.instanceChecked(InstanceChecked{"mc", "v1", again[0].Number, again[0].Proof, "", false})
	if won := asked(m, func() { m.win(l) }); len(won) > 0 || !l.checked {
		t.Errorf("after the claim was won: asked %+v, checked %t", won, l.checked)
	}
	took := func() bool {
		return slices.ContainsFunc(m.out, func(e Effect) bool { _, ok := e.(TakeAddress); return ok })
	}
	if took() {
		t.Error("taken before its record of service is in the file")
	}
	m.settle()
	m.saved(m.journal.seq)
	if !took() {
		t.Error("not taken, though all it waits for is there")
	}
}

// heardOf is a machine of which a majority has just answered.
func (m *Machine) heardOf() {
	for _, p := range m.seats {
		p.answered = m.now
	}
	m.tally()
}

// TestCheckWhileTheHolderLetsGo: what the instance says when the holder has only begun to let go counts for the claim, and
// nothing is asked twice.
func TestCheckWhileTheHolderLetsGo(t *testing.T) {
	m, l, _ := proved()
	m.heardOf()
	early := asked(m, func() { m.standBy(StandBy{"n1", "v1"}) })
	if len(early) != 1 || early[0].Name != "v1" || early[0].Proof != l.site.kept.Proof || l.role != Idle {
		t.Fatalf("asked %+v, %s", early, l.role)
	}
	m.Step(m.now, InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, "", false})
	if late := asked(m, func() { m.claimFresh(l); m.win(l) }); len(late) > 0 || !l.checked {
		t.Errorf("asked %+v with the claim, checked %t", late, l.checked)
	}
}

// TestStandByForNothing: who could not take the VIP asks nothing, and an answer that is old by the claim does not count.
func TestStandByForNothing(t *testing.T) {
	for name, spoil := range map[string]func(m *Machine, l *lease){
		"no memcached": func(_ *Machine, l *lease) { l.site.in.up = false },
		"not clean":    func(_ *Machine, l *lease) { l.site.kept.Proof = Proof{} },
		"on its own":   func(m *Machine, _ *lease) { m.majorityAt = 0 },
		"claims":       func(m *Machine, l *lease) { m.claimFresh(l) },
		"holds":        func(m *Machine, l *lease) { m.goUp(l); l.role = Holding },
	} {
		t.Run(name, func(t *testing.T) {
			m, l, _ := proved()
			m.heardOf()
			spoil(m, l)
			if early := asked(m, func() { m.standBy(StandBy{"n1", "v1"}) }); len(early) > 0 {
				t.Errorf("asked %+v", early)
			}
		})
	}
	t.Run("the holder took long", func(t *testing.T) {
		m, l, _ := proved()
		m.heardOf()
		early := asked(m, func() { m.standBy(StandBy{"n1", "v1"}) })
		m.instanceChecked(InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, "", false})
		m.now = m.now.Add(2*m.rtt() + 1)
		if late := asked(m, func() { m.claimFresh(l) }); len(late) != 1 || l.checked {
			t.Errorf("asked %+v with the claim, checked %t", late, l.checked)
		}
	})
}

// TestStandByInVain: an instance that is not as proved is found out before the name is free; one that does not say is asked
// again with the claim, and not kept back. Nothing else that the node has begun is given up.
func TestStandByInVain(t *testing.T) {
	for name, void := range map[string]bool{"figures changed": true, "connection refused": false} {
		t.Run(name, func(t *testing.T) {
			m, l, _ := proved()
			m.heardOf()
			l.retryAt = m.now.Add(time.Second)
			early := asked(m, func() { m.standBy(StandBy{"n1", "v1"}) })
			m.instanceChecked(InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, name, void})
			if l.role != Idle || l.site.clean() == void || m.standing(l.site) != Eligible || l.retryAt == 0 {
				t.Errorf("%s, clean %t, %s, tries again at %d", l.role, l.site.clean(), m.standing(l.site), l.retryAt)
			}
			if late := asked(m, func() { m.standBy(StandBy{"n1", "v1"}) }); (len(late) == 1) == void {
				t.Errorf("told once more, it asks %+v", late)
			}
		})
	}
}

// TestStandByIsOutlived: what is heard of a proof that another has replaced since says nothing of that.
func TestStandByIsOutlived(t *testing.T) {
	m, l, other := proved()
	m.heardOf()
	early := asked(m, func() { m.standBy(StandBy{"n1", "v1"}) })
	for _, at := range []*lease{l, other} {
		at.site.kept.Proof.TotalItems++
	}
	m.instanceChecked(InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, "figures changed", true})
	if !l.site.clean() || !other.site.clean() {
		t.Errorf("clean %t, the other VIP %t", l.site.clean(), other.site.clean())
	}
}

// TestStandByAndVotes: an answer that would be too old when the votes are there is asked for with the claim, and not after it.
func TestStandByAndVotes(t *testing.T) {
	for _, c := range []struct {
		claimed time.Duration // after the question, in round trips
		again   bool
	}{{time.Duration(1), false}, {time.Duration(2), true}} {
		m, l, _ := proved()
		m.heardOf()
		asked(m, func() { m.standBy(StandBy{"n1", "v1"}) })
		m.now = m.now.Add(c.claimed * m.rtt())
		if late := asked(m, func() { m.claimFresh(l) }); (len(late) == 1) != c.again {
			t.Errorf("%d round trips after: asked %+v with the claim", c.claimed, late)
		}
		m.now = m.now.Add(m.rtt())
		if late := asked(m, func() { m.win(l) }); len(late) > 0 {
			t.Errorf("%d round trips after: asked %+v when it was won", c.claimed, late)
		}
	}
}

// TestHoldersAreToldTogether: addresses that come up one after the other are told of at once by the first, and then by one
// renewal for all that are up two round trips later.
func TestHoldersAreToldTogether(t *testing.T) {
	m, l1, l2 := proved()
	m.heardOf()
	told := func(do func()) (names []Name) {
		m.out = nil
		do()
		for _, e := range m.out {
			if s, ok := e.(Send); ok && s.To == "n1" {
				for _, entry := range s.Msg.(Claim).Entries {
					names = append(names, entry.Name)
				}
			}
		}
		return names
	}
	for _, l := range []*lease{l1, l2} {
		m.goUp(l)
		l.validUntil = m.now.Add(time.Minute)
	}
	m.now = m.now.Add(2 * m.rtt())
	up := func(l *lease) func() {
		return func() { m.addressUp(AddressUp{l.name, l.term}); m.beat() }
	}
	if got := told(up(l1)); len(got) != 2 {
		t.Errorf("the first: renewed %q at once", got)
	}
	if got := told(up(l2)); len(got) != 0 {
		t.Errorf("the second: renewed %q at once", got)
	}
	if m.nextBeat != m.now.Add(2*m.rtt()) {
		t.Errorf("the next renewal comes in %s", m.nextBeat.Sub(m.now))
	}
}

// TestCheckAfterTheClaim: the instance is asked again once the claim is won if the answer would be to another question.
func TestCheckAfterTheClaim(t *testing.T) {
	nothing := func(*Machine, *lease, *lease) {}
	for name, c := range map[string]struct {
		before, between func(m *Machine, l, other *lease)
		serving, again  bool
	}{
		"another VIP is claimed":         {before: func(m *Machine, _, other *lease) { m.claimFresh(other) }, between: nothing},
		"another VIP is won":             {before: func(m *Machine, _, other *lease) { m.claimFresh(other); m.win(other) }, between: nothing},
		"another VIP is up":              {before: func(m *Machine, _, other *lease) { m.goUp(other) }, between: nothing, serving: true},
		"another VIP goes up meanwhile":  {before: nothing, between: func(m *Machine, _, other *lease) { m.goUp(other) }},
		"another VIP is gone and proved": {before: func(m *Machine, _, other *lease) { m.goUp(other) }, between: func(m *Machine, _, other *lease) { m.goDown(other) }, serving: true, again: true},
		"it was flushed meanwhile":       {before: nothing, between: func(_ *Machine, l, _ *lease) { l.site.kept.Proof.TotalItems++ }, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			m, l, other := proved()
			asked(m, func() { c.before(m, l, other) })
			early := asked(m, func() { m.claimFresh(l) })
			asked(m, func() { c.between(m, l, other) })
			won := asked(m, func() { m.win(l) })
			if len(early) != 1 || early[0].Serving != c.serving || (len(won) == 1) != c.again {
				t.Fatalf("asked %+v with the claim, and %+v when it is won", early, won)
			}
			m.instanceChecked(InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, "", false})
			if l.checked == c.again {
				t.Errorf("the answer to the first question counts: %t", l.checked)
			}
		})
	}
}

// TestCheckWhileAnotherGoesUp: what the clients of another VIP did since the question is not taken for old values.
func TestCheckWhileAnotherGoesUp(t *testing.T) {
	changed := func(l *lease, c CheckInstance) InstanceChecked {
		return InstanceChecked{"mc", l.name, c.Number, c.Proof, "figures changed", true}
	}
	t.Run("it is still a candidate", func(t *testing.T) {
		m, l, other := proved()
		early := asked(m, func() { m.claimFresh(l) })
		asked(m, func() { m.goUp(other) })
		again := asked(m, func() { m.instanceChecked(changed(l, early[0])) })
		if len(again) != 1 || !again[0].Serving || again[0].Proof != early[0].Proof || l.role != Candidate {
			t.Fatalf("asked again %+v, %s", again, l.role)
		}
		asked(m, func() { m.instanceChecked(changed(l, early[0])) })
		if l.role != Candidate || !l.site.clean() {
			t.Errorf("the answer to the first question counts: %s, clean %t", l.role, l.site.clean())
		}
		asked(m, func() { m.instanceChecked(changed(l, again[0])) })
		if l.role != Idle || l.site.clean() {
			t.Errorf("another process: %s, clean %t", l.role, l.site.clean())
		}
	})
	t.Run("it gave up meanwhile", func(t *testing.T) {
		m, l, other := proved()
		early := asked(m, func() { m.claimFresh(l); m.giveUp(l, CauseRival) })
		asked(m, func() { m.goUp(other) })
		m.instanceChecked(changed(l, early[0]))
		if !l.site.clean() {
			t.Error("it is not clean any more")
		}
	})
	t.Run("it is about to go up", func(t *testing.T) {
		m, l, other := proved()
		early := asked(m, func() { m.claimFresh(l) })
		asked(m, func() { m.claimFresh(other); m.win(other) })
		asked(m, func() { m.instanceChecked(changed(l, early[0])) })
		if l.role != Idle || l.site.clean() {
			t.Errorf("%s, clean %t", l.role, l.site.clean())
		}
	})
	t.Run("nobody went up", func(t *testing.T) {
		m, l, _ := proved()
		early := asked(m, func() { m.claimFresh(l); m.giveUp(l, CauseRival) })
		m.instanceChecked(changed(l, early[0]))
		if l.site.clean() {
			t.Error("it is clean still")
		}
	})
}

// TestCheckIsNotOld: an answer that is older than votes take is asked for anew.
func TestCheckIsNotOld(t *testing.T) {
	m, l, _ := proved()
	early := asked(m, func() { m.claimFresh(l) })
	m.instanceChecked(InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, "", false})
	m.now = m.now.Add(2*m.rtt() + 1)
	if won := asked(m, func() { m.win(l) }); len(won) != 1 || l.checked {
		t.Errorf("asked %+v, checked %t", won, l.checked)
	}
}

// TestCheckOfTheDead: what could not be asked of a process that was dying is not held against the next one.
func TestCheckOfTheDead(t *testing.T) {
	m, l, _ := proved()
	early := asked(m, func() { m.claimFresh(l) })
	m.Step(m.now, InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, "connection refused", false})
	if l.role != Idle || m.standing(l.site) != ConnectionsLeft {
		t.Fatalf("%s, %s", l.role, m.standing(l.site))
	}
	m.Step(m.now, InstanceWentDown{Instance: "mc", Dead: true})
	began := m.now.Add(time.Millisecond)
	m.Step(began, InstanceUp{Instance: "mc", Began: began, Figures: Proof{Incarnation: Incarnation{PID: 8, Start: 1}, Restart: true}})
	if got := m.standing(l.site); got == ConnectionsLeft || !l.site.clean() {
		t.Errorf("the next process: %s, clean %t", got, l.site.clean())
	}
}

// TestCheckLosesTheClaim: a candidate whose instance is not as proved gives up, and claims no more with that proof.
func TestCheckLosesTheClaim(t *testing.T) {
	m, l, _ := proved()
	early := asked(m, func() { m.claimFresh(l) })
	m.instanceChecked(InstanceChecked{"mc", "v1", early[0].Number, early[0].Proof, "figures changed", true})
	if l.role != Idle || l.site.clean() {
		t.Errorf("%s, clean %t", l.role, l.site.clean())
	}
}
