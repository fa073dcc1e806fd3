package core

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// taking is what has to be true before an address goes up, while the role is Taking.
type taking struct {
	before   *ServiceRecord // what the record said before; put back if the address never went up
	recordIn uint64         // the save that holds the record of service
	recorded bool           // it is in the file (F9)
	stayed   bool           // an earlier life's address is still up, and its connections are this VIP's
	ordered  bool           // TakeAddress is out: from here on only AddressDown ends it
}

// dropping is how an address goes down, while the role is Dropping.
type dropping struct {
	cause     Cause
	successor string
	served    bool    // the address was up, as far as is known
	all       bool    // of its connections are to be reset
	repeatAt  Instant // ask the kernel again, if it has not answered or refused
}

// moved is a planned move after its release: the successor is awaited until the deadline.
type moved struct {
	to       string
	deadline Instant
}

// sentRelease is a release that not every voter has confirmed.
type sentRelease struct {
	release  Release
	acked    map[string]bool
	resendAt Instant
	until    Instant // the grants it cancels are over by then
}

// becomeTaking begins to put up an address that this node has won. Precondition: a majority granted,
// and for a fresh claim recorded its term, until an instant ahead.
func (m *Machine) becomeTaking(l *lease, until Instant) {
	assert(l.role == Candidate && until > m.now, "%s: takes while %s", l.name, l.role)
	m.turn(l, Taking, CauseMajority)
	l.validUntil, l.met = until, nil
	won, _ := l.newest()
	v := l.site
	if v != nil && l.kind == Continuation {
		l.confirmed = maps.Clone(v.record().Confirmed)
	}
	for _, g := range won.granted {
		l.confirm(g.voter, g.memory, g.last)
	}
	if v == nil {
		m.tellHolder()
		m.turn(l, Holding, CauseMajority)
		return
	}
	m.nextBeat = min(m.nextBeat, m.now.Add(2*m.rtt())) // by then the address should be up, which is told
	m.checkToTake(l)
	l.take.before = v.kept
	v.kept = &ServiceRecord{
		VIP: v.Name, Instance: v.Instance, Served: l.term, Confirmed: maps.Clone(l.confirmed), LastTerm: l.term,
	}
	m.journal.dirty = true
	l.take.recordIn = m.pendingSave()
}

// tellHolder has voters learn at once that this is a holder, and the absent ones its term. A renewal speaks of all that is held: of
// many addresses that go up one after the other, one tells of those that are up by then.
func (m *Machine) tellHolder() {
	m.nextBeat = min(m.nextBeat, max(m.now, m.lastBeat.Add(2*m.rtt())))
}

// standBy asks the instance as soon as the holder lets go: memcached answers while the address goes down there, and while the
// votes come.
func (m *Machine) standBy(s StandBy) {
	v, ok := m.vip(s.Name)
	if ok && v.lease.role == Idle && m.standing(v) == Eligible && v.clean() {
		m.checkProof(v.lease, 2*m.rtt())
	}
}

// checkToClaim has an answer there when the votes are that is not too old by then: they take about a round trip.
func (m *Machine) checkToClaim(l *lease) {
	if l.site != nil && l.kind == Fresh {
		m.checkProof(l, m.rtt())
	}
}

// checkToTake asks the instance before the address goes up.
func (m *Machine) checkToTake(l *lease) {
	if l.kind == Continuation {
		m.askInstance(l, CheckInstance{Serving: m.serving(l.site), Drained: undrained(l.site.in)})
		return
	}
	m.checkProof(l, 2*m.rtt())
}

// checkProof asks whether the instance is still as its proof says, unless just that was asked no longer ago than a time.
func (m *Machine) checkProof(l *lease, ago time.Duration) {
	check := CheckInstance{Proof: l.site.record().Proof, Serving: m.serving(l.site)}
	assert(check.Proof.given(), "%s: checked without a proof", l.name)
	asked := l.asked.Number != 0 && l.asked.Proof == check.Proof && (check.Serving || !l.asked.Serving)
	if !asked || m.now.Sub(l.askedAt) > ago {
		m.askInstance(l, check)
	}
}

// askInstance has the instance looked at. Answers to what was asked for the lease before count no more.
func (m *Machine) askInstance(l *lease, check CheckInstance) {
	m.checks++
	check.Instance, check.Name, check.Number = l.site.Instance, l.name, m.checks
	l.asked, l.askedAt, l.checked = check, m.now, false
	m.emit(check)
}

// recordSaved lets an address go up once its record of service is in the file (F9).
func (m *Machine) recordSaved(l *lease) {
	if l.role == Taking && !l.take.recorded && l.take.recordIn <= m.journal.saved {
		l.take.recorded = true
		m.takeIfReady(l)
	}
}

// recordLost ends a taking whose record could not be written.
func (m *Machine) recordLost(l *lease, seq uint64) {
	if l.role == Taking && !l.take.recorded && l.take.recordIn <= seq {
		m.vacate(l, CauseDisk)
	}
}

// instanceChecked hears whether the instance is still as its proof says.
func (m *Machine) instanceChecked(e InstanceChecked) {
	l := m.leases[e.Name]
	if l == nil || l.site == nil || e.Number == 0 {
		m.proofRechecked(e)
		return
	}
	// Clients of another VIP that has come up since may be all that has changed.
	doubtful := e.Void && m.serving(l.site)
	if l.role == Idle {
		m.checkedBeforehand(l, e, doubtful)
		return
	}
	wanted := (l.role == Candidate || l.role == Taking && !l.take.ordered) && l.asked.Number == e.Number
	switch {
	case !wanted && (l.asked.Number > e.Number || doubtful || !e.Void):
	case !wanted:
		m.checkFailed(e)
	case doubtful && !l.asked.Serving:
		again := l.asked
		again.Serving = true
		m.askInstance(l, again)
	case e.Reason == "":
		l.checked = true
		m.takeIfReady(l)
	case !e.Void && m.checkAgain(l):
	default:
		m.checkFailed(e)
		m.emit(Transition{Name: e.Name, Instance: e.Instance, From: "proved", To: "refused", Cause: CauseCheck, Detail: e.Reason})
		m.vacate(l, CauseCheck)
	}
}

// checkedBeforehand hears the same without an attempt under way. A claim that follows goes by it, or asks again. The instance may
// have been proved anew since the question.
func (m *Machine) checkedBeforehand(l *lease, e InstanceChecked, doubtful bool) {
	late := l.asked.Number > e.Number
	if l.asked.Number == e.Number {
		if l.checked = e.Reason == ""; !l.checked {
			l.asked = CheckInstance{}
		}
	}
	if e.Void && !late && !doubtful && e.Proof == l.site.record().Proof {
		m.checkFailed(e)
	}
}

// checkAgain asks anew if another of the instance's VIPs went up while connections on it were awaited to
// go: those that came since are welcome.
func (m *Machine) checkAgain(l *lease) bool {
	now := undrained(l.site.in)
	if l.kind != Continuation || slices.Equal(now, l.asked.Drained) {
		return false
	}
	m.askInstance(l, CheckInstance{Serving: true, Drained: now})
	return true
}

func (m *Machine) takeIfReady(l *lease) {
	if l.take.recorded && l.checked && !l.take.ordered && !m.keeping() {
		l.take.ordered, l.take.stayed, l.leftover = true, l.leftover != 0, 0
		m.emit(TakeAddress{l.name, l.term, l.validUntil})
	}
}

// addressUp makes the node the holder.
func (m *Machine) addressUp(e AddressUp) {
	l := m.leases[e.Name]
	if l == nil || l.role != Taking || l.term != e.Term || !l.take.ordered {
		return
	}
	m.tellHolder()
	m.turn(l, Holding, CauseAddressUp)
	l.backoff, l.notBefore, l.holdSince = 0, 0, m.now
	m.emit(ProlongAddress{Name: l.name, Until: l.validUntil})
}

// addressFailed hears that the kernel refused, or that the lease ended first.
func (m *Machine) addressFailed(e AddressFailed) {
	l := m.leases[e.Name]
	if l == nil || l.role != Taking || l.term != e.Term || !l.take.ordered {
		return
	}
	l.site.stuck = e.Err
	m.vacate(l, CauseAddress)
}

// renewed takes a voter's grant of a renewal in.
func (m *Machine) renewed(l *lease, a *Answer, e *AnswerEntry) {
	if until := l.validity(m.cfg, len(m.voters())); until > l.validUntil {
		l.validUntil = until
		if l.take.ordered { // from the order on: the kernel may let the address wait for longer than a lease
			m.emit(ProlongAddress{Name: l.name, Until: until})
		}
	}
	if l.confirm(a.Voter, a.Memory, e.Last) && l.site != nil {
		l.site.record().Confirmed = maps.Clone(l.confirmed)
		m.saveSoon() // a voter that is missing speaks for nobody
	}
}

// expireLease ends a lease whose validity is over: at this moment the address must go down.
func (m *Machine) expireLease(l *lease) {
	if l.held() && m.now >= l.validUntil {
		m.count("lease_lost")
		m.vacate(l, CauseLeaseLost)
	}
}

// vacate ends whatever part this node has in a lease; a holder names a successor where it can.
func (m *Machine) vacate(l *lease, cause Cause) {
	switch l.role {
	case Idle:
		l.retryAt, l.moved = 0, moved{}
		if l.leftover != 0 {
			m.becomeDropping(l, cause, "")
		}
	case Candidate:
		m.giveUp(l, cause)
		if l.leftover != 0 {
			m.becomeDropping(l, cause, "")
		}
	case Taking, Holding:
		m.noteLoss(l, cause)
		v := l.site
		switch {
		case v == nil:
			m.sendRelease(l, "")
			m.becomeIdle(l, cause)
		case l.role == Taking && !l.take.ordered:
			m.putRecordBack(v)
			if l.leftover != 0 {
				m.becomeDropping(l, cause, "")
				return
			}
			m.sendRelease(l, "")
			m.becomeIdle(l, cause)
			l.notBefore = m.now.Add(m.cfg.Lease / 4)
		case cause == CauseLeaseLost:
			m.becomeDropping(l, cause, "")
		default:
			m.becomeDropping(l, cause, m.successor(v, false))
		}
	case Dropping:
	}
}

// putRecordBack forgets a record of service for an address that never went up.
func (m *Machine) putRecordBack(v *site) {
	v.kept, m.journal.dirty = v.lease.take.before, true
}

// becomeDropping orders an address down. Its lease is released only when it is (F3).
func (m *Machine) becomeDropping(l *lease, cause Cause, successor string) {
	served := l.role == Holding || l.leftover != 0 || l.take.stayed
	all := successor == ""
	if cause == CauseInstanceDown {
		all = !l.site.in.diesNow(m.now)
	}
	l.drop = dropping{cause: cause, successor: successor, served: served, all: all}
	m.turn(l, Dropping, cause)
	l.validUntil, l.leftover = 0, 0
	m.orderDrop(l)
	if successor != "" {
		m.send(successor, StandBy{From: m.cfg.Node, Name: l.name})
	}
}

func (m *Machine) orderDrop(l *lease) {
	l.drop.repeatAt = m.now.Add(m.cfg.Lease)
	late := l.drop.cause == CauseLeaseLost || l.drop.cause == CauseLeftover
	m.emit(DropAddress{Name: l.name, Late: late, All: l.drop.all && !late})
}

// addressDown releases a lease whose address is down, its sockets destroyed or silenced.
func (m *Machine) addressDown(e AddressDown) {
	l := m.leases[e.Name]
	if l == nil || l.role != Dropping {
		return
	}
	if e.Err != "" {
		l.site.stuck = e.Err
		l.drop.repeatAt = m.now.Add(m.cfg.Lease / 4)
		return
	}
	l.site.stuck = ""
	l.downAt = m.now
	if l.drop.served {
		l.site.freeAt = m.now
	}
	m.measureDrop(e.Took)
	cause, successor := l.drop.cause, l.drop.successor
	m.sendRelease(l, successor)
	m.becomeIdle(l, CauseReleased)
	if cause != CauseLeaseLost { // else it is the first to be asked, and may go on at once
		l.notBefore = m.now.Add(m.cfg.Lease / 4) // voters may not know yet why it gave the name up
	}
	if successor != "" {
		wait := max(20*time.Millisecond, 6*m.rtt())
		l.moved = moved{to: successor, deadline: m.now.Add(wait)}
		m.beatsSoon = append(m.beatsSoon, m.now.Add(wait/2))
	}
	if cause == CauseLeaseLost {
		l.retryAt = m.now.Add(m.cfg.Lease)
	}
}

// measureDrop keeps the margin at what taking an address down has cost: the worst of late, halved with
// every drop, so that one stall of a host does not shorten its leases for ever.
func (m *Machine) measureDrop(took time.Duration) {
	m.worstDrop = max(took, m.worstDrop/2)
	m.cfg.Margin = max(m.margin, min(MarginMin+m.worstDrop, m.cfg.Lease/4))
}

// successor chooses who should have a VIP next, from what the nodes last said; "" if nobody can. To spare
// those that owe a proof of their own VIP is a must, or a preference of the ranking's.
func (m *Machine) successor(v *site, spare bool) string {
	return m.successorHeard(v, spare, m.cfg.Lease+stateFresh)
}

// successorHeard is successor among nodes whose states are younger than that.
func (m *Machine) successorHeard(v *site, spare bool, age time.Duration) string {
	var cs []candidate
	last, promised := m.heardTerm(v.lease), m.promised()
	for n, h := range m.states {
		if m.now.Sub(h.at) >= age {
			continue
		}
		if c, ok := h.account(m.names).rate(v.VIP, v.lease.no, last); ok && c.clean && !(spare && c.owesProof) {
			c.held += promised[n]
			cs = append(cs, c)
		}
	}
	if len(cs) == 0 {
		return ""
	}
	return best(v.VIP, cs).node
}

// promised counts the VIPs that nodes were named for and may not have told of yet.
func (m *Machine) promised() map[string]int {
	promised := map[string]int{}
	for _, l := range m.all {
		if to := cmp.Or(l.drop.successor, l.moved.to); to != "" {
			promised[to]++
		}
	}
	return promised
}

// stateFresh is how old gossip may be, beside one lease, to choose a successor from. In large clusters the states of
// nodes that have no vote are mostly older; then the choice is the voters', who hear everybody with every heartbeat.
const stateFresh = 2 * time.Second

// sendRelease gives a name up at every voter. Precondition: its address is not up.
func (m *Machine) sendRelease(l *lease, successor string) {
	m.counter++ // a number of its own, so that confirmations tell releases apart
	r := sentRelease{
		release: Release{
			From: m.self, Counter: m.counter, Length: m.cfg.Lease,
			Entries: []ReleaseEntry{{l.name, successor}},
		},
		acked: map[string]bool{}, resendAt: m.now.Add(2 * m.rtt()), until: m.now.Add(m.cfg.Lease),
	}
	l.forget(m.counter)
	m.releases = append(m.releases, r)
	if m.seat(successor) != nil {
		m.sendReleaseTo(successor, r.release) // who has the most to do
	}
	for _, v := range m.voters() {
		if v != successor {
			m.sendReleaseTo(v, r.release)
		}
	}
}

// forgetRelease ends the resending of a name's releases: a newer claim of the name supersedes them, and one
// of them sent again to a voter that restarted meanwhile would cancel that claim's grant (F1).
func (m *Machine) forgetRelease(n Name) {
	m.releases = slices.DeleteFunc(m.releases, func(r sentRelease) bool { return r.release.Entries[0].Name == n })
}

func (m *Machine) sendReleaseTo(voter string, r Release) {
	r.Echo = m.peer(voter).incarnation
	m.send(voter, r)
}

// resendReleases repeats unconfirmed releases until the grants they cancel are over anyway.
func (m *Machine) resendReleases() {
	m.releases = slices.DeleteFunc(m.releases, func(r sentRelease) bool {
		return m.now >= r.until || len(r.acked) >= m.majority() && (m.stopping || len(r.acked) >= len(m.voters()))
	})
	for i := range m.releases {
		r := &m.releases[i]
		if m.now < r.resendAt {
			continue
		}
		r.resendAt = m.now.Add(m.cfg.Lease / 8)
		for _, v := range m.voters() {
			if !r.acked[v] {
				m.sendReleaseTo(v, r.release)
			}
		}
	}
}

// acked notes a voter's confirmation, or learns its incarnation and repeats.
func (m *Machine) acked(a Ack) {
	for i := range m.releases {
		r := &m.releases[i]
		if r.release.Request() != a.Request || r.acked[a.Voter] {
			continue
		}
		if a.Refused == NotRefused {
			r.acked[a.Voter] = true
			continue
		}
		if p := m.peer(a.Voter); p.incarnation != a.Incarnation {
			p.meet(a.Incarnation)
			m.sendReleaseTo(a.Voter, r.release)
		}
	}
}

// declined hears that a successor does not take the name: the releaser takes it back at once (F19).
func (m *Machine) declined(d Decline) {
	l := m.leases[d.Name]
	if l == nil || l.role != Idle || l.moved.to != d.From {
		return
	}
	l.moved.deadline = m.now
	m.pursueIdle(l)
}

// leftovers decides on addresses that an earlier life left up: those whose lease may be continued stay for as
// long as that life said that they may, or else as a lease lasts; the others go at once.
func (m *Machine) leftovers(present []Name, kept []KeptRecord) {
	for _, n := range present {
		v, ok := m.vip(n)
		if !ok {
			continue
		}
		l := v.lease
		l.leftover = m.now.Add(m.cfg.Lease)
		if i := slices.IndexFunc(kept, func(k KeptRecord) bool { return k.Name == n }); i >= 0 {
			l.leftover = min(l.leftover, kept[i].Until)
		}
		if v.record().Served.Known() {
			continue
		}
		m.becomeDropping(l, CauseLeftover, "")
	}
}
