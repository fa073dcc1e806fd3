package core

import (
	"slices"
	"time"
)

// coming is a home's way back to one of its VIPs.
type coming struct {
	state      Homecoming
	readySince Instant // up and able since; failback_delay counts from here
	refused    AskRefusal
	heard      bool // the holder has answered an ask
	over       Term // held, as the holder told when it refused the proof; the next one is made over it
	nextAsk    Instant
	nextTry    Instant // for the hand-back slot
	finalSince Instant // the slot is held since
	rechecked  bool    // the proof was read again since; only then is the holder asked to let go
	accepted   bool    // the holder said that it lets go: it is not asked to again
	failed     int     // hand-backs that did not come about, in a row
	asked      bool    // by an operator
	losses     []Instant
}

// Hand-back's pace.
const (
	askPeriod   = time.Second
	handbackMax = LeaseMax // for as long one may hold the slot

	// handbackRetryMax bounds the pause after hand-backs that failed. It doubles from askPeriod, since
	// each one that fails after the holder let go costs clients an outage.
	handbackRetryMax = 5 * time.Minute

	dampingWindow = time.Hour
	dampingMax    = time.Hour
)

// comeHome works towards getting this node's own VIPs back, one at a time in the whole cluster.
func (m *Machine) comeHome() {
	for _, v := range m.sites {
		if v.own {
			v.coming.state = m.homecoming(v, &v.coming)
		}
	}
	m.freeSlot()
}

// homecoming takes the next step for one VIP and says what it waits for.
func (m *Machine) homecoming(v *site, c *coming) Homecoming {
	l := v.lease
	if l.role == Holding {
		*c = coming{losses: c.losses}
		return NotAway
	}
	holder, holding := m.holderOf(l)
	switch {
	case l.role != Idle && m.slotFor == v.Name:
		return AwayTaking
	case l.role != Idle || holder == "" || holder == m.cfg.Node || !holding:
		if m.slotFor == v.Name && c.state >= AwayAsked {
			return AwayTaking
		}
		return NotAway
	}
	if s := m.standing(v); s != Eligible && s != InstanceFlushing {
		if s != NotQuorate && v.in.stage != FlushRestarting {
			c.readySince = 0
		}
		return AwayIneligible
	}
	if c.readySince == 0 {
		c.readySince = m.now
	}
	switch {
	case v.Failback == FailbackNever && !c.asked:
		return AwayNever
	case v.Failback == FailbackManual && !c.asked:
		return AwayManual
	case m.pause.On && !c.asked:
		return AwayPaused
	case !v.clean():
		m.ask(v, c, holder, false)
		m.makeRoom(v, c)
		return AwayTainted
	case m.now < m.readyAt(v, c):
		m.ask(v, c, holder, false)
		return AwayDelay
	}
	return m.withSlot(v, c, holder)
}

// makeRoom frees the home's instance of a guest. An instance that serves a guest is never quiet, so the home
// could not prove itself; two homes that hold each other's VIP would never part. The guest goes to a node
// that is clean for it. Where there is none the instance is restarted, if it may be: the guest's cache is lost
// by that, as it would be on its own way home. One without guests that no flush proves is restarted likewise.
func (m *Machine) makeRoom(v *site, c *coming) {
	if m.now < max(m.readyAt(v, c), c.nextTry) || v.in.unprovable != "" {
		return
	}
	var guests []*site
	for _, g := range v.in.sites {
		switch l := g.lease; {
		case l.role == Idle:
		case l.role != Holding || g.own:
			return
		default:
			guests = append(guests, g)
		}
	}
	if len(guests) == 0 {
		if v.in.unproved >= flushTries && m.mayFlush(v.in) && m.mayRestart(v) && m.hasSlot(v, c) {
			m.restartForProof(v)
		}
		return
	}
	for _, g := range guests {
		if m.successor(g, true) == "" {
			if m.successorHeard(g, true, m.fresh()) != "" {
				return // it may be there still, and will tell; a cache is not to be lost for that
			}
			if m.mayRestart(v) && m.hasSlot(v, c) {
				m.restartForProof(v)
			}
			return
		}
	}
	c.nextTry = m.now.Add(handbackMax)
	m.becomeDropping(guests[0].lease, CauseMakeRoom, m.successor(guests[0], true))
}

// hasSlot reports whether this node has the hand-back slot for a VIP, and asks for it if it is free to.
func (m *Machine) hasSlot(v *site, c *coming) bool {
	s := m.leases[HandbackSlot]
	if m.slotFor == "" && s.role == Idle && m.now >= max(c.nextTry, s.notBefore) {
		m.slotFor, c.finalSince, c.refused, c.heard = v.Name, 0, AskAccepted, false
		m.becomeCandidate(s, Fresh, Term{}, CauseHandback)
	}
	return m.slotFor == v.Name && s.role == Holding
}

// withSlot asks for the VIP once this node holds the hand-back slot.
func (m *Machine) withSlot(v *site, c *coming, holder string) Homecoming {
	if !m.hasSlot(v, c) {
		return AwaySlot
	}
	if c.finalSince == 0 {
		c.finalSince, c.nextAsk, c.rechecked, c.accepted = m.now, 0, false, false
		c.refused, c.heard = AskAccepted, false // what was said to an ask without a proof counts no more
		m.emit(CheckInstance{Instance: v.Instance, Name: v.Name, Proof: v.record().Proof, Serving: m.serving(v)})
	}
	if c.heard && c.refused != AskAccepted && c.refused != AskUnderway && c.refused != AskNotYet {
		return AwayRefused
	}
	switch {
	case c.accepted:
		return AwayTaking
	case c.rechecked:
		m.ask(v, c, holder, true)
	}
	return AwayAsked
}

// proofRechecked lets a home ask for its VIP: its proof still stands, right before the holder lets go.
// It is read once more before the address goes up here, but by then the holder's cache is given up.
func (m *Machine) proofRechecked(e InstanceChecked) {
	if e.Reason != "" {
		m.checkFailed(e)
		return
	}
	if v, ok := m.vip(e.Name); ok && m.slotFor == e.Name && v.coming.finalSince != 0 {
		v.coming.rechecked = true
	}
}

// freeSlot gives the hand-back slot back when its VIP is home, refused, or too slow.
func (m *Machine) freeSlot() {
	if m.slotFor == "" {
		return
	}
	v, _ := m.vip(m.slotFor)
	s, c := m.leases[HandbackSlot], &v.coming
	patience := handbackMax
	if c.accepted {
		patience = m.cfg.Lease // the holder has let go: this node has the VIP soon or not at all
	}
	late := c.finalSince != 0 && m.now.Sub(c.finalSince) >= patience
	switch {
	case s.role == Candidate:
		return
	case s.role == Holding && !late && (c.state == AwayAsked || c.state == AwayTaking || v.in.stage == FlushRestarting):
		return
	}
	if c.state != NotAway {
		c.nextTry = m.now.Add(min(askPeriod<<min(c.failed, 8), handbackRetryMax))
		if c.accepted {
			c.failed++
		}
	}
	m.slotFor = ""
	m.vacate(s, CauseDone)
}

// ask tells the holder that its VIP's home is here, with the proof there is.
func (m *Machine) ask(v *site, c *coming, holder string, final bool) {
	if m.now < c.nextAsk {
		return
	}
	c.nextAsk = m.now.Add(askPeriod)
	if final {
		c.nextAsk = m.now.Add(max(20*time.Millisecond, 4*m.rtt()))
	}
	r := v.record()
	a := Ask{From: m.cfg.Node, Name: v.Name, Final: final, Served: r.LastTerm}
	if v.clean() {
		a.Proof, a.Over = r.Proof, r.Over
	} else {
		a.Why = v.in.stage.String()
	}
	m.send(holder, a)
}

// asked answers a home. The holder lets go only on a proof made over a term later than the home's own
// last service of the VIP, or on a restart, which is good for every term (F14).
func (m *Machine) asked(a Ask) {
	v, ok := m.vip(a.Name)
	if !ok {
		return
	}
	l := v.lease
	reply := AskReply{From: m.cfg.Node, Name: a.Name, Term: l.term, Refused: m.judgeAsk(l, v, a)}
	m.send(a.From, reply)
	if reply.Refused == AskAccepted {
		m.becomeDropping(l, CauseHandback, a.From)
	}
}

func (m *Machine) judgeAsk(l *lease, v *site, a Ask) AskRefusal {
	switch {
	case v.Home != a.From:
		return AskNotHome
	case l.role == Dropping && l.drop.successor == a.From || l.moved.to == a.From:
		return AskUnderway
	case l.role != Holding:
		return AskNotHolder
	case !a.Proof.given():
		return AskNoProof
	case !a.covers(l.term):
		return AskOldProof
	case !a.Final:
		return AskNotYet
	}
	return AskAccepted
}

// covers reports whether an ask's proof was made with the home's own last service already history:
// over the term held now, or over any later than that service. The latter may be above the term held,
// where a candidate proposed it in vain.
func (a Ask) covers(held Term) bool {
	return a.Proof.Restart || a.Over == held || a.Over.Epoch > a.Served.Epoch
}

// askReplied keeps the holder's word, for status and for the next step.
func (m *Machine) askReplied(r AskReply) {
	v, ok := m.vip(r.Name)
	if !ok {
		return
	}
	c := &v.coming
	c.refused, c.heard = r.Refused, true
	c.accepted = c.accepted || r.Refused == AskAccepted
	if holder, _ := m.holderOf(v.lease); r.Refused != AskOldProof || r.From != holder || v.lease.role != Idle {
		return
	}
	if c.over = r.Term; v.record().Over != r.Term {
		m.voidProof(v) // prove it anew, now that the term is known
	}
}

// voidProof makes an instance tainted for a VIP that it was proved clean for.
func (m *Machine) voidProof(v *site) {
	r := v.kept
	if r == nil || r.Served.Known() {
		return
	}
	m.forget(v)
}

// forget leaves of what is known of a VIP's values on its instance no more than that they may be there.
func (m *Machine) forget(v *site) {
	v.kept = &ServiceRecord{VIP: v.Name, Instance: v.Instance, LastTerm: v.kept.LastTerm}
	m.journal.dirty = true
}

// noteLoss counts what a flapping home is damped for: VIPs lost, not given.
func (m *Machine) noteLoss(l *lease, cause Cause) {
	v, ok := m.vip(l.name)
	if !ok || !v.own || l.role != Holding {
		return
	}
	switch cause {
	case CauseLeaseLost, CauseInstanceDown, CauseLinkDown, CauseAddress, CauseDisk:
		v.coming.losses = append(v.coming.losses, m.now)
	default: // an operator's wish is no loss
	}
}

// readyAt is when the delay before a hand-back is over: failback_delay, doubled for every further
// loss in the last hour, and never more than an hour.
func (m *Machine) readyAt(v *site, c *coming) Instant {
	if c.asked {
		return c.readySince
	}
	c.losses = slices.DeleteFunc(c.losses, func(t Instant) bool { return m.now.Sub(t) > dampingWindow })
	d := v.FailbackDelay
	for i := 1; i < len(c.losses) && d < dampingMax; i++ {
		d *= 2
	}
	return c.readySince.Add(min(d, dampingMax))
}

// comeHomeAt returns when the next step towards home is due, where a heartbeat is too coarse.
func (m *Machine) comeHomeAt() Instant {
	at := never
	for _, v := range m.sites {
		switch c := &v.coming; c.state {
		case AwayDelay:
			at = min(at, m.readyAt(v, c))
		case AwayAsked:
			if c.rechecked {
				at = min(at, c.nextAsk)
			}
		default: // moved on by events or by the next heartbeat
		}
	}
	return at
}
