package core

import (
	"cmp"
	"slices"
	"time"
)

// What a voter says of the names is told once. It counts the changes in editions; a claim bears the edition that the
// node has seen, and the answer lists what was asked for and what changed since. So an answer is as long as what
// happens, not as the list of VIPs. In the same way a claim bears the node's state only until the voter has it.

// toldMax bounds how many names an answer lists unasked. The rest follows with the next, but not for a node that has seen
// nothing yet: it would take a name that is missing for one that nobody ever had, and give up what an earlier life served.
const toldMax = 128

// A grant is late when less of it is left than a holder that lives ever lets it come to, who renews every quarter. It is
// then told with every answer, and of one that is not told so much is left at least.
const (
	lateOf  = 8
	lateWas = 5
)

// lateFrom is what is left of a grant of that length from when on it is late.
func lateFrom(length time.Duration) time.Duration { return length / lateOf * lateWas }

// nameStanding is how a name stands with a voter, as far as answers to all nodes tell the same.
type nameStanding struct {
	last     Term
	grantee  string
	holding  bool
	reserved bool
	late     bool // a holder that lives would have renewed the grant
}

// changing reports whether the name's time left is told with every answer: it may be free before the next.
func (n nameStanding) changing() bool { return n.late || n.reserved }

func (s *slot) standing(now Instant) nameStanding {
	return nameStanding{
		last: s.last, grantee: s.grant.to.Node, holding: s.grant.holding, reserved: s.reserved.given(),
		late: s.grant.given() && s.grant.expires.Sub(now) < lateFrom(s.grant.length),
	}
}

// look gives every name that stands in another way than before a new edition.
func (v *voter) look(now Instant) {
	for _, s := range v.all {
		if stands := s.standing(now); stands != s.stood {
			v.edition++
			s.stood, s.edition = stands, v.edition
		}
	}
}

// tell completes an answer by the names that the claimant did not ask for and has not seen as they are.
func (v *voter) tell(now Instant, c *Claim, a *Answer) {
	v.look(now)
	seen := c.Seen
	if c.Echo != v.incarnation {
		seen = 0
	}
	a.Edition = v.edition
	changed := v.changedSince(seen)
	if seen > 0 && len(changed) > toldMax {
		changed = changed[:toldMax]
		a.Edition = changed[toldMax-1].edition
	}
	for _, s := range changed {
		if !a.lists(s.vip.Name) {
			a.Entries = append(a.Entries, s.entry(now, a.Refused))
		}
	}
	told := 0
	for _, s := range v.all {
		if told < toldMax && s.stood.changing() && !a.lists(s.vip.Name) {
			a.Entries = append(a.Entries, s.entry(now, a.Refused))
			told++
		}
	}
}

// changedSince returns the names of later editions, the oldest first.
func (v *voter) changedSince(edition uint64) []*slot {
	var changed []*slot
	for _, s := range v.all {
		if s.edition > edition {
			changed = append(changed, s)
		}
	}
	slices.SortFunc(changed, func(a, b *slot) int { return cmp.Compare(a.edition, b.edition) })
	return changed
}

// entry is what an answer says of a name unasked.
func (s *slot) entry(now Instant, refused Refusal) AnswerEntry {
	e := AnswerEntry{Name: s.vip.Name, Refused: refused}
	s.show(now, &e)
	return e
}

// lists reports whether an answer has an entry for a name.
func (a *Answer) lists(n Name) bool {
	return slices.ContainsFunc(a.Entries, func(e AnswerEntry) bool { return e.Name == n })
}

// view is the newest word of a voter on one name.
type view struct {
	AnswerEntry
	at      Instant // when the answer came that listed it
	edition uint64  // of the answer, or of the hint that has said since that the name is free
}

// meet notes which life of a voter speaks. What an earlier one knew and said is over.
func (p *peer) meet(incarnation uint64) {
	if p.incarnation != incarnation {
		p.incarnation, p.knows, p.edition, p.heard = incarnation, 0, 0, false
		clear(p.views)
	}
}

// takeIn keeps what an answer says of the names.
func (m *Machine) takeIn(p *peer, a *Answer) {
	p.meet(a.Incarnation)
	p.knows, p.edition = a.Knows, a.Edition
	for _, e := range a.Entries {
		if l := m.leases[e.Name]; l != nil {
			m.noteServed(p, l)
			if a.Edition >= p.views[l.no].edition { // a hint may have overtaken it
				p.views[l.no] = view{e, m.now, a.Edition}
			}
		}
	}
}

// left is what is left at least of a voter's grant for a name, counted from its newest answer.
func (m *Machine) left(p *peer, l *lease) time.Duration {
	switch v := &p.views[l.no]; {
	case v.at == p.viewedAt:
		return v.Left
	case v.Grantee == "":
		return 0
	}
	return lateFrom(m.cfg.Lease)
}
