package core

import (
	"fmt"
	"slices"
	"time"
)

// peer is a voter as this node hears it.
type peer struct {
	name        string
	incarnation uint64
	memory      uint64
	list        ListID
	heard       bool    // has answered since this agent's start
	answered    Instant // send time of the newest request it answered and did not refuse as a whole
	knows       uint64  // the version of this node's state that it has
	edition     uint64  // of what it says of the names, as far as views have it
	viewed      Instant // send time of the newest request that it answered
	viewedAt    Instant // when that answer came
	views       []view  // of all names, in their order
	silentUntil Instant
	refused     Refusal // its last refusal of a whole claim
	other       string
	srtt, rvar  time.Duration
}

// packet is a claim as sent to every voter, remembered until nothing can be asked of it any more.
type packet struct {
	claim    Claim
	at       Instant  // clock read before the first send
	answered []string // voters that did
	resendAt Instant
}

// Sent claims are remembered while an answer could still count, and never more than packetsMax.
const (
	packetAge  = LeaseMax
	packetsMax = 512
)

// rttMin keeps formulas that divide time into round trips sane on a fast LAN.
const rttMin = 2 * time.Millisecond

// peer returns what is known of a voter.
func (m *Machine) peer(name string) *peer {
	p := m.peers[name]
	if p == nil {
		p = &peer{name: name, views: make([]view, len(m.all))}
		m.peers[name] = p
	}
	return p
}

// seatVoters looks the voters in force up. It is called wherever another list comes into force.
func (m *Machine) seatVoters() {
	m.seats = nil
	for _, v := range m.voters() {
		m.seats = append(m.seats, m.peer(v))
	}
	if m.voter != nil {
		m.voter.benched = m.seat(m.cfg.Node) == nil
	}
	m.tally()
}

// tally finds majorityAt. It is called wherever a seat's answered changes.
func (m *Machine) tally() {
	var few [9]Instant // room on the stack for what lists usually have
	answered := few[:0]
	for _, p := range m.seats {
		answered = append(answered, p.answered)
	}
	slices.Sort(answered)
	m.majorityAt = answered[len(answered)-m.majority()]
}

// seat returns a voter in force, nil if it is none.
func (m *Machine) seat(voter string) *peer {
	for _, p := range m.seats {
		if p.name == voter {
			return p
		}
	}
	return nil
}

// voters returns the list in force.
func (m *Machine) voters() []string { return m.lists.inForce }

// majority is the number of voters that makes a lease.
func (m *Machine) majority() int { return Majority(len(m.voters())) }

// quorate reports whether a majority of voters answered a request sent within the last lease (F17).
func (m *Machine) quorate() bool { return m.heardWithin(m.cfg.Lease) }

// heardWithin reports whether a majority of voters answered a request sent less than d ago.
func (m *Machine) heardWithin(d time.Duration) bool {
	return m.majorityAt != 0 && m.now.Sub(m.majorityAt) < d
}

// aloneAt is when this node ceases to be quorate if no further answer comes.
func (m *Machine) aloneAt() Instant { return m.majorityAt.Add(m.cfg.Lease) }

// rtt is the round trip to the slowest voter of the fastest majority: max(2 ms, smoothed + 4 x deviation).
func (m *Machine) rtt() time.Duration {
	var few [9]time.Duration
	all := few[:0]
	for _, p := range m.seats {
		if p.answered != 0 && m.now.Sub(p.answered) < 2*m.cfg.Lease {
			all = append(all, p.srtt+4*p.rvar)
		}
	}
	if len(all) < m.majority() {
		return rttMin
	}
	slices.Sort(all)
	return min(max(rttMin, all[m.majority()-1]), m.rttMax())
}

// rttMax keeps one answer that came very late, such as that of a voter which was frozen, from being waited for ever after.
func (m *Machine) rttMax() time.Duration { return m.cfg.Lease / 8 }

// measure takes a round trip into the voter's smoothed time (RFC 6298's gains). That of a claim which was sent twice counts
// from the first time: too long at worst. Left out, as for TCP, everything would be sent twice to voters that take longer
// than was expected, for as long as they do, and would keep them so.
func (p *peer) measure(rtt time.Duration) {
	if p.srtt == 0 {
		p.srtt, p.rvar = rtt, rtt/2
		return
	}
	p.rvar += ((p.srtt - rtt).Abs() - p.rvar) / 4
	p.srtt += (rtt - p.srtt) / 8
}

// claim sends one claim for entries to every voter, and returns its number.
func (m *Machine) claim(entries []ClaimEntry) uint64 {
	m.counter++
	c := Claim{
		From: m.self, Counter: m.counter, Life: m.life, List: m.lists.id(), Must: understood,
		Length: m.cfg.Lease, Entries: entries, State: m.state(),
	}
	m.remember(&packet{claim: c, at: m.now, answered: make([]string, 0, len(m.voters())), resendAt: m.now.Add(2 * m.rtt())})
	for _, p := range m.seats {
		m.sendClaim(p, c)
	}
	return m.counter
}

// remember keeps a packet, and forgets those that are too old or too many.
func (m *Machine) remember(p *packet) {
	m.packets, m.toResend = append(m.packets, p), append(m.toResend, p)
	old := 0
	for m.now.Sub(m.packets[old].at) > packetAge || len(m.packets)-old > packetsMax {
		old++
	}
	m.packets = slices.Delete(m.packets, 0, old)
	oldest := m.packets[0].claim.Counter
	m.toResend = slices.DeleteFunc(m.toResend, func(p *packet) bool { return p.claim.Counter < oldest })
}

// packet returns the claim that was sent under a number, nil if it is forgotten. Answers are mostly to
// the newest.
func (m *Machine) packet(counter uint64) *packet {
	for _, p := range slices.Backward(m.packets) {
		if p.claim.Counter == counter {
			return p
		}
	}
	return nil
}

// sendClaim sends a claim to one voter. A node that leaves with its addresses up asks for nothing any more: how
// long its leases last is what it has said in the state file.
func (m *Machine) sendClaim(p *peer, c Claim) {
	if m.keeping() {
		return
	}
	c.Echo, c.Seen = p.incarnation, p.edition
	if v := c.State.Version; p.knows == v {
		c.State, c.Unchanged = NodeState{Version: v}, true
	}
	m.send(p.name, c)
}

// beat renews every lease of the node in one packet, or says that the node is alive. A node that has
// not heard from a majority claims nothing, so that it cannot pin a voter it does not hear (F17).
func (m *Machine) beat() {
	due := m.now >= m.nextBeat
	m.beatsSoon = slices.DeleteFunc(m.beatsSoon, func(t Instant) bool {
		due = due || m.now >= t
		return m.now >= t
	})
	if due || m.now >= m.hastenAt() {
		m.lastBeat = m.now
		m.nextBeat = m.now.Add(Heartbeat(m.cfg.Lease))
		m.renew()
	}
}

// hastenAt is when the next heartbeat goes out before its time: a holder whose last one no majority has answered
// must not wait with its lease running out. Packets that are lost now and then cost no lease so.
func (m *Machine) hastenAt() Instant {
	if m.majorityAt >= m.lastBeat || !slices.ContainsFunc(m.all, (*lease).held) {
		return never
	}
	return m.lastBeat.Add(max(Heartbeat(m.cfg.Lease)/3, 3*m.rtt()))
}

// renew sends the renewals of everything held, or a heartbeat.
func (m *Machine) renew() {
	var entries []ClaimEntry
	var held []*lease
	for _, l := range m.all {
		if l.held() && m.quorate() {
			entries = append(entries, ClaimEntry{l.name, Renewal, l.term})
			held = append(held, l)
		}
	}
	counter := m.claim(entries)
	for _, l := range held {
		l.ask(counter, m.now, m.cfg.Lease, Renewal)
	}
}

// resend repeats claims that voters left unanswered for two round trips, once, with the same number.
func (m *Machine) resend() {
	m.toResend = slices.DeleteFunc(m.toResend, func(p *packet) bool {
		due := m.now >= p.resendAt
		if due {
			m.resendPacket(p)
		}
		return due
	})
	m.resendReleases()
}

func (m *Machine) resendPacket(p *packet) {
	for _, to := range m.seats {
		if !slices.Contains(p.answered, to.name) && m.stillWanted(&p.claim) {
			m.sendClaim(to, p.claim)
		}
	}
}

// stillWanted reports whether a claim's names are still wanted by it: a released request is not repeated.
func (m *Machine) stillWanted(c *Claim) bool {
	for _, e := range c.Entries {
		if l := m.leases[e.Name]; l.counted >= c.Counter || l.role == Idle || l.role == Dropping || l.term != e.Term {
			return false
		}
	}
	return true
}

// answered takes a voter's answer in: what it teaches first, then what it grants. It reports whether it did no more
// than prolong what this node holds.
func (m *Machine) answered(a *Answer) (calm bool) {
	p := m.seat(a.Voter)
	if p == nil {
		m.count("answer_of_no_voter")
		return
	}
	calm = p.saysTheSame(a)
	if a.Life != m.life || a.Request.Start != m.self.Start {
		m.count("answer_to_former_life")
		return false
	}
	sent := m.packet(a.Request.Counter)
	if sent == nil {
		m.count("answer_too_late")
		return false
	}
	m.learn(p, sent, a)
	if a.Newest.Compare(Request{m.self.Start, m.counter}) > 0 && a.Newest.Start <= numberMax {
		m.restartAbove(a.Newest)
		return false
	}
	before := slices.Contains(sent.answered, a.Voter)
	if a.Refused == WrongIncarnation {
		// An answer to an older claim than the newest answered teaches nothing: the same echo would be refused for ever.
		if !before && p.incarnation == a.Incarnation && m.stillWanted(&sent.claim) {
			m.sendClaim(p, sent.claim)
		}
		return false
	}
	if !before {
		p.measure(min(m.now.Sub(sent.at), m.rttMax()))
		sent.answered = append(sent.answered, a.Voter)
	}
	if len(sent.answered) == len(m.seats) {
		m.toResend = slices.DeleteFunc(m.toResend, func(p *packet) bool { return p == sent })
		calm = false // there is one thing less to wake for
	}
	if a.Refused != NotRefused {
		m.count("refused_" + a.Refused.String())
		return false
	}
	p.answered = max(p.answered, sent.at)
	m.tally()
	for i := range a.Entries {
		if e := &a.Entries[i]; e.Asked {
			l := m.leases[e.Name]
			calm = calm && l != nil && l.held() && e.Refused == NotRefused
			m.verdict(l, p, a, e)
		}
	}
	return calm && m.company == m.quorate()
}

// learn keeps what a voter says of itself and of every name, if it is newer than what it said before.
func (m *Machine) learn(p *peer, sent *packet, a *Answer) {
	if sent.at < p.viewed || a.Incarnation == p.incarnation && a.Edition < p.edition {
		return
	}
	m.takeIn(p, a)
	p.memory, p.list, p.heard = a.Memory, a.List, true
	p.refused, p.other = a.Refused, a.Other
	p.silentUntil = 0
	if a.Left > 0 {
		p.silentUntil = m.now.Add(a.Left)
	}
	if p.viewedAt != 0 && m.now.Sub(p.viewedAt) > m.cfg.Lease {
		m.reunited()
	}
	p.viewed, p.viewedAt = sent.at, m.now
	for i := range a.Entries {
		if l := m.leases[a.Entries[i].Name]; l != nil {
			m.noteServed(p, l)
		}
	}
}

// saysTheSame reports whether an answer tells nothing of its voter that is not known, and no refusal.
func (p *peer) saysTheSame(a *Answer) bool {
	return a.Incarnation == p.incarnation && a.Edition == p.edition && a.Memory == p.memory && a.List == p.list && a.Other == "" &&
		a.Refused == NotRefused && p.refused == NotRefused && a.Left == 0 && p.silentUntil == 0
}

// verdict brings a voter's word on one name to its lease.
func (m *Machine) verdict(l *lease, p *peer, a *Answer, e *AnswerEntry) {
	counter := a.Request.Counter
	if l == nil || counter <= l.counted {
		return
	}
	if e.Refused == NotRefused {
		l.count(p.name, counter, granted{a.Memory, e.Last})
	}
	switch l.role {
	case Candidate:
		m.attemptAnswered(l, p, a, e)
	case Taking, Holding:
		if e.Refused == NotRefused {
			m.renewed(l, a, e)
		} else {
			m.count("renewal_" + e.Refused.String())
		}
	case Idle, Dropping:
	}
}

// restartAbove takes a start number above one that a voter remembers from a life this node forgot
// (F15). Nothing that is out under the old number counts any more.
func (m *Machine) restartAbove(seen Request) {
	m.emit(Transition{From: "started", To: "started", Cause: CauseStartNumber, Detail: fmt.Sprintf("above %d", seen.Start)})
	for _, l := range m.all {
		if l.role == Candidate {
			m.becomeIdle(l, CauseStartNumber)
		}
		l.forget(m.counter)
	}
	m.self.Start, m.journal.dirty = seen.Start+1, true
	m.packets, m.toResend = nil, nil
	m.nextBeat = m.now
}

// hearFormerLife rises above a life of this node that it has forgotten, and that others still tell of: while they do, what it
// says of itself counts as old for them (F15). Once in a life: two agents of one name would outbid each other for ever.
func (m *Machine) hearFormerLife(s *NodeState) {
	if m.rose || s.Start > numberMax || (Request{s.Start, s.Seq}).Compare(Request{m.self.Start, m.seq}) <= 0 {
		return
	}
	m.rose = true
	m.restartAbove(Request{Start: s.Start})
}

// heardTerm returns the newest term heard of for a name.
func (m *Machine) heardTerm(l *lease) Term {
	var best Term
	for _, p := range m.seats {
		if t := p.views[l.no].Last; t.Epoch > best.Epoch && t.Epoch <= numberMax {
			best = t
		}
	}
	return best
}

// holderOf returns the node that a majority of voters names as having the grant (or the reservation),
// from answers that still hold now, and whether they say that it holds.
func (m *Machine) holderOf(l *lease) (node string, holding bool) {
	return m.grantedBy(l, m.now, m.majority(), 0)
}

// grantedBy returns the node that at least so many voters name, from answers that still hold at an instant and were
// asked for at another or later.
func (m *Machine) grantedBy(l *lease, at Instant, least int, since Instant) (node string, holding bool) {
	for _, p := range m.seats {
		grantee := m.granteeAt(p, l, at)
		if grantee == "" || p.viewed < since {
			continue
		}
		votes, holds := 0, false
		for _, q := range m.seats {
			if q.viewed >= since && m.granteeAt(q, l, at) == grantee {
				votes++
				holds = holds || q.views[l.no].Holding
			}
		}
		if votes >= least {
			return grantee, holds
		}
	}
	return "", false
}

// granteeAt is the node that the voter's newest answer gives a name to at an instant, "" if none.
func (m *Machine) granteeAt(p *peer, l *lease, at Instant) string {
	if at.Sub(p.viewedAt) < m.left(p, l) {
		return p.views[l.no].Grantee
	}
	return ""
}
