package core

import (
	"slices"
	"time"
)

// attempt is one try to win a name, while the lease's role is Candidate.
type attempt struct {
	began    Instant
	repeatAt Instant // when to ask again under a new number; zero: not asked to
	free     Instant // when what stands in the way has run out, as far as voters told
	rank     int
	refused  map[string]bool // voters that refused the newest request
}

// backoffMin is the first pause after an attempt that failed; it doubles up to one lease.
const backoffMin = 10 * time.Millisecond

// hinted is told by a voter that a name is free, or kept for this node.
func (m *Machine) hinted(h Hint) {
	v, ok := m.vip(h.Name)
	if !ok {
		return
	}
	l := v.lease
	m.hearHint(h, l)
	m.noteFree(v)
	switch {
	case l.role == Candidate && l.try.refused[h.Voter]:
		m.propose(l) // the voter that stood in the way says that it no longer does
	case l.role != Idle:
	case h.By != "":
		// Whatever this node was refused for before, the holder has let go since.
		if !m.tryClaim(l, CauseSuccessor) {
			m.send(h.By, Decline{From: m.cfg.Node, Name: h.Name})
		}
	case h.Tainted:
		m.forceProof(v, h.Voter)
	case m.heldFor(l, m.cfg.Lease/4):
	case m.now >= l.notBefore:
		m.tryClaim(l, CauseHint)
	case l.retryAt == 0 || l.retryAt > l.notBefore: // that voter's next hint may be a quarter of a lease away
		l.retryAt = l.notBefore
	}
}

// hearHint takes in what a hint says of its voter: that it has granted the name to nobody else. An older word than
// what answers have told since would stand for ever, as would one of another life of the voter.
func (m *Machine) hearHint(h Hint, l *lease) {
	p := m.peer(h.Voter)
	m.noteServed(p, l)
	if h.Incarnation != p.incarnation || h.Edition < p.edition {
		return
	}
	view := &p.views[l.no]
	view.Name, view.Grantee, view.Holding, view.edition = h.Name, "", false, h.Edition
	if h.Last.Epoch > view.Last.Epoch {
		view.Last = h.Last
	}
}

// tryClaim begins an attempt if this node may serve the name: by continuing its own last term where
// that is still possible, else with an instance proved clean. A tainted node never claims.
func (m *Machine) tryClaim(l *lease, cause Cause) bool {
	v := l.site
	if v == nil || l.role != Idle || m.standing(v) != Eligible {
		return false
	}
	switch {
	case m.mayContinue(v):
		m.becomeCandidate(l, Continuation, v.record().Served, cause)
	case v.clean() && !m.inTouch():
		if soon := m.now.Add(2 * m.rtt()); l.retryAt <= m.now || l.retryAt > soon { // one heartbeat for all voters' hints
			l.retryAt = soon
			if !m.asking() {
				m.nextBeat = m.now
			}
		}
		return false
	case v.clean():
		m.becomeCandidate(l, Fresh, Term{}, cause)
	default:
		return false
	}
	return true
}

// asking reports whether a heartbeat is under way that will soon tell whether this node is in touch. Asking again for each
// VIP and hint would drown voters that are slow already.
func (m *Machine) asking() bool {
	return m.majorityAt < m.lastBeat && m.now.Sub(m.lastBeat) < Heartbeat(m.cfg.Lease)/3
}

// inTouch reports whether a majority of voters answered a request of the last heartbeat's age. A fresh
// claim teaches its term to every voter that grants it, even where it cannot win: a node that may
// just have lost the others must not make its own voter forget whose term was the last.
func (m *Machine) inTouch() bool { return m.heardWithin(Heartbeat(m.cfg.Lease) + 4*m.rtt()) }

// becomeCandidate begins an attempt. Precondition: the lease is Idle.
func (m *Machine) becomeCandidate(l *lease, kind Kind, term Term, cause Cause) {
	assert(l.role == Idle, "%s: candidate while %s", l.name, l.role)
	m.turn(l, Candidate, cause)
	l.kind, l.term, l.retryAt, l.lived = kind, term, 0, true
	l.try = attempt{began: m.now}
	l.moved = moved{}
	m.forgetRelease(l.name)
	m.propose(l)
	if l.site != nil {
		m.stopWatch(l.site.in)
	}
}

// propose sends the attempt's next request. A fresh one proposes a term above all it has heard of (F7), a rival's
// of the same epoch among them: voters that recorded that one will not record this one.
func (m *Machine) propose(l *lease) {
	if l.kind == Fresh && (!l.term.Known() || m.outdone(l)) {
		l.supersede()
		l.term = Term{Epoch: m.heardTerm(l).Epoch + 1, Node: m.cfg.Node, ID: m.random.draw()}
	}
	l.try.repeatAt, l.try.refused = 0, map[string]bool{}
	counter := m.claim([]ClaimEntry{{l.name, l.kind, l.term}})
	l.ask(counter, m.now, m.cfg.Lease, l.kind)
	m.checkToClaim(l)
}

// outdone reports whether a voter has recorded another term of the proposal's epoch or above.
func (m *Machine) outdone(l *lease) bool {
	return slices.ContainsFunc(m.seats, func(p *peer) bool {
		last := p.views[l.no].Last
		return last != l.term && last.Epoch >= l.term.Epoch && last.Epoch <= numberMax
	})
}

// attemptAnswered weighs a voter's answer to a candidate.
func (m *Machine) attemptAnswered(l *lease, p *peer, a *Answer, e *AnswerEntry) {
	if e.Refused == NotRefused {
		m.weigh(l)
		return
	}
	newest, ok := l.newest()
	if !ok || a.Request.Counter != newest.counter {
		return
	}
	// The name is free since, if the hint that says so came before the refusal, which had to wait for the state file, or if the
	// refusal was lost and this is the word on its repetition.
	if since := &p.views[l.no]; since.Grantee == "" && (since.edition > a.Edition || e.Refused == OldRequest) {
		m.propose(l)
		return
	}
	l.try.refused[p.name] = true
	switch e.Refused {
	case Held, Reserved:
		l.try.free, l.try.rank = max(l.try.free, m.now.Add(e.Left)), e.Rank
		switch {
		case e.Refused == Held && !e.Holding && m.yields(l, e.Grantee, e.Above):
			m.giveUp(l, CauseRival)
		case e.Refused == Held && !e.Holding:
			m.repeatBy(l, m.now.Add(2*m.rtt()))
		default:
			m.repeatBy(l, m.now.Add(e.Left))
		}
	default: // the others end with the attempt, or taught us something that makes us ask again
	}
}

// yields decides whether a candidate gives way to a rival that has a voter's grant, above which or below that voter ranks it. Voters
// may differ, since each knows best what its own node is about to take: each may prefer the other's candidate, or its own. So those
// that have met for long enough to have heard of each other go by the hash alone, which both know alike (F16). Nobody is better than
// who can go on with its cache, though one voter may have recorded a rival's term.
func (m *Machine) yields(l *lease, rival string, above bool) bool {
	switch {
	case l.site == nil: // the hand-back slot's order is every voter's
		return above
	case l.kind == Continuation:
		return above && !m.spokenFor(l.site)
	case m.now.Sub(l.meet(rival, m.now, 2*m.cfg.Lease)) < 3*m.rtt(): // remembered for twice the longest back-off
		return above
	}
	return rendezvous(l.name, rival) > rendezvous(l.name, m.cfg.Node)
}

// meet returns since when a rival is known: from this attempt, or one before it that is no longer ago than it is remembered for, or
// from now on.
func (l *lease) meet(rival string, now Instant, remembered time.Duration) (since Instant) {
	if since, known := l.met[rival]; known && now.Sub(since) <= remembered {
		return since
	}
	if l.met == nil {
		l.met = map[string]Instant{}
	}
	l.met[rival] = now
	return now
}

// repeatBy asks again at an instant, or sooner if that was already planned.
func (m *Machine) repeatBy(l *lease, at Instant) {
	if l.try.repeatAt == 0 || at < l.try.repeatAt {
		l.try.repeatAt = at
	}
}

// weigh decides whether the grants so far make a lease.
func (m *Machine) weigh(l *lease) {
	if !m.fit(l) {
		m.giveUp(l, CauseIneligible)
		return
	}
	n := len(m.voters())
	if l.outbid(n) {
		m.propose(l)
		return
	}
	until := l.validity(m.cfg, n)
	if until <= m.now {
		return
	}
	if l.kind == Continuation {
		switch m.continuityOf(l) {
		case unheard:
			return
		case ruledOut:
			m.giveUp(l, CauseNoContinuity)
			return
		case speaksFor:
		}
	}
	m.becomeTaking(l, until)
}

// fit reports whether a candidate may still take what it claims. A fresh one needs its proof until it has won: the answer to
// a question that was asked for another VIP may have voided it.
func (m *Machine) fit(l *lease) bool {
	return l.site == nil || m.standing(l.site) == Eligible && (l.kind == Continuation || l.site.clean())
}

// continuityOf judges the grants of a continuation: it holds only if a majority of all voters is in
// the confirmed set, in the same memory, and still answers with the term (F8). Everyone else is a no.
func (m *Machine) continuityOf(l *lease) continuity {
	rec := l.site.record()
	newest, _ := l.newest()
	speak, left := 0, 0
	for _, voter := range m.voters() {
		a, answered := newest.grantOf(voter)
		switch {
		case !answered:
			left++
		case judge(rec.Confirmed, l.term, voter, a.memory, a.last) == speaksFor:
			speak++
		}
	}
	switch {
	case speak >= m.majority():
		return speaksFor
	case speak+left < m.majority():
		return ruledOut
	}
	return unheard
}

// attemptEnds is when an attempt that has not won is released, so that it blocks nobody for long. The
// time grows with the back-off, so that voters whose disks are slow are waited for at last. A
// continuation has the most: nobody is a better candidate, and a cache is lost with it.
func (m *Machine) attemptEnds(l *lease) Instant {
	rtt := m.rtt()
	if l.kind == Continuation {
		return l.try.began.Add(m.cfg.Lease / 4)
	}
	return l.try.began.Add(min(max(20*time.Millisecond, 4*rtt, 2*rtt+l.try.free.Sub(l.try.began), 2*l.backoff), m.cfg.Lease/4))
}

// giveUp releases an attempt and plans the next one: after the time left that was told, plus this
// node's stagger, and never before the back-off.
func (m *Machine) giveUp(l *lease, cause Cause) {
	assert(l.role == Candidate, "%s: gives up while %s", l.name, l.role)
	if l.leftover == 0 { // else an earlier life's address is still up: released once it is down (F3)
		m.sendRelease(l, "")
	}
	l.backoff = min(max(2*l.backoff, backoffMin), m.cfg.Lease)
	l.notBefore = m.now.Add(l.backoff)
	wait := max(l.try.free.Sub(m.now), l.backoff) + time.Duration(l.try.rank)*m.stagger()
	m.becomeIdle(l, cause)
	if cause == CauseRefused || cause == CauseRival {
		l.retryAt = m.now.Add(wait)
	}
}

// becomeIdle ends a lease's part. Nothing sent for it counts any more.
func (m *Machine) becomeIdle(l *lease, cause Cause) {
	m.turn(l, Idle, cause)
	l.forget(m.counter)
	l.term, l.kind, l.validUntil, l.confirmed = Term{}, 0, 0, nil
	l.try, l.take, l.drop = attempt{}, taking{}, dropping{}
	l.asked, l.checked = CheckInstance{}, false
}

// turn changes a role and says so.
func (m *Machine) turn(l *lease, to Role, cause Cause) {
	t := Transition{Name: l.name, From: l.role.String(), To: to.String(), Cause: cause, Term: l.term, Since: m.now.Sub(l.since)}
	switch to {
	case Holding:
		t.Gap = m.gap(l)
		t.Peer, l.before = l.before, ""
	case Dropping, Idle:
		t.Peer = l.drop.successor
	case Candidate, Taking:
	}
	m.emit(t)
	l.role, l.since = to, m.now
}

// pursue does what the clock asks of one lease.
func (m *Machine) pursue(l *lease) {
	switch l.role {
	case Idle:
		m.pursueIdle(l)
	case Candidate:
		switch {
		case !m.fit(l):
			m.giveUp(l, CauseIneligible)
		case m.now >= m.attemptEnds(l):
			m.giveUp(l, CauseRefused)
		case l.try.repeatAt != 0 && m.now >= l.try.repeatAt:
			m.propose(l)
		}
	case Taking, Holding:
	case Dropping:
		if m.now >= l.drop.repeatAt {
			m.orderDrop(l)
		}
	}
}

// pursueIdle tries again where a time left is over, where a successor did not come, and where an
// earlier life's lease may be continued.
func (m *Machine) pursueIdle(l *lease) {
	v := l.site
	if v == nil {
		return
	}
	if l.moved.to != "" && m.now >= l.moved.deadline {
		to := l.moved.to
		l.moved = moved{}
		if holder, _ := m.holderOf(l); holder != to {
			if m.mayContinue(v) && m.tryClaim(l, CauseReclaim) {
				return
			}
			m.sendRelease(l, "") // nobody is to wait for one that does not come
		}
	}
	if !l.lived && m.mayResume(l, v) && m.tryClaim(l, CauseContinue) {
		return
	}
	if l.leftover != 0 && (m.now >= l.leftover || !m.mayContinue(v)) {
		m.becomeDropping(l, CauseLeftover, "")
		return
	}
	if l.retryAt != 0 && m.now >= l.retryAt {
		l.retryAt = 0
		if m.heldFor(l, 0) {
			l.backoff = 0
		} else {
			m.tryClaim(l, CauseRetry)
		}
	}
}

// heldFor reports whether another node has the name for at least d more with so many voters that the others
// make no majority. Then a voter that missed it hints in vain: a claim would only teach it a term that nobody
// serves, and keep the holder's renewals from it.
func (m *Machine) heldFor(l *lease, d time.Duration) bool {
	holder, _ := m.grantedBy(l, m.now.Add(d), len(m.voters())-m.majority()+1, 0)
	return holder != "" && holder != m.cfg.Node
}

// mayResume reports whether an earlier life of this agent may still have the lease: its address is on
// the link, or a voter still names this node.
func (m *Machine) mayResume(l *lease, v *site) bool {
	if !m.mayContinue(v) || !m.quorate() {
		return false
	}
	for _, p := range m.seats {
		if p.views[l.no].Grantee == m.cfg.Node {
			return true
		}
	}
	return l.leftover != 0
}

// leaseWake returns when a lease has something to do next.
func (m *Machine) leaseWake(l *lease) Instant {
	switch l.role {
	case Idle:
		at := min(set(l.retryAt), set(l.leftover))
		if l.moved.to != "" {
			at = min(at, l.moved.deadline)
		}
		return at
	case Candidate:
		return min(m.attemptEnds(l), set(l.try.repeatAt))
	case Taking, Holding:
		return l.validUntil
	case Dropping:
		return l.drop.repeatAt
	}
	return never
}

// set reads an instant whose zero means "not planned".
func set(t Instant) Instant {
	if t == 0 {
		return never
	}
	return t
}
