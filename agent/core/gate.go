package core

import (
	"slices"
	"time"
)

// The flush gate: whether an instance may still hold values of a VIP that were changed elsewhere, and
// how it is proved that it does not. The rules: ARCHITECTURE.md, "Never stale".

// recordKey names a record of service. Another instance address is another cache (F21).
type recordKey struct {
	vip      Name
	instance string
}

// instance is one local memcached, as last told.
type instance struct {
	address    string
	sites      []*site // that it serves or would serve on this node, sorted by name
	known, up  bool
	reason     string // why it is down
	dead       bool   // its process was seen to end, when it went down
	note       string // what limits it while up
	unprovable string // why it cannot be flushed
	conns      int    // that it takes; 0 if that is not known
	keeps      bool   // its memory across restarts
	life       Incarnation
	orderedAt  Instant // when this agent last ordered its restart
	diedAt     Instant // when this agent last saw it dead
	restarts   int     // ordered in a row, without a proof
	unproved   int     // flushes in a row that were not

	stage            FlushStage
	attempt          uint64
	trouble          string // what stands in the way of a proof
	over             map[Name]Term
	flushNotBefore   Instant
	restartNotBefore Instant
	undrainedUntil   Instant            // its last check before an address went up failed; not eligible before
	graceUntil       Instant            // a restart of ours is under way: its other VIPs are not given up before
	taintedHints     map[string]Instant // voter -> when it said that no clean candidate is left
}

// flushRetry is the pause after a flush that was not proved.
const flushRetry = time.Second

// flushTries is how many flushes in a row without a proof it takes until a restart is what proves an instance.
const flushTries = 3

// restartGrace is how long a restart for a proof may take before the instance's other VIPs move.
const restartGrace = time.Second

// serving reports whether the instance has served another VIP since its proof, so that its item
// counts may have moved for good reasons.
func (m *Machine) serving(v *site) bool {
	return slices.ContainsFunc(v.in.sites, func(o *site) bool { return o != v && o.served() })
}

// served reports whether clients of a VIP may have used its instance since the proof. One that is about to be taken has had none
// yet, though its record says so already.
func (v *site) served() bool {
	switch l := v.lease; l.role {
	case Holding, Dropping:
		return true
	case Taking:
		return l.take.ordered || l.kind == Continuation || l.leftover != 0
	case Idle, Candidate:
	}
	return v.record().Served.Known()
}

// absent returns the VIPs of an instance whose addresses are not up on this node.
func absent(in *instance) []Name { return in.names((*site).absent) }

// undrained returns the absent VIPs of an instance that may have left something in it: those that served since the newest
// proof, or were never proved. A proof is had when the connections of all absent ones are gone.
func undrained(in *instance) []Name {
	return in.names(func(v *site) bool { return v.absent() && !v.provedSince() })
}

func (in *instance) names(of func(*site) bool) []Name {
	var out []Name
	for _, v := range in.sites {
		if of(v) {
			out = append(out, v.Name)
		}
	}
	return out
}

func (v *site) absent() bool {
	l := v.lease
	return l.role != Holding && l.leftover == 0 && !(l.role == Taking && l.take.stayed)
}

// provedSince reports whether the VIP was not served here since the newest proof, for that it is served is recorded before
// the address goes up (F9).
func (v *site) provedSince() bool {
	r := v.record()
	return r.Proof.given() && !r.Served.Known()
}

// awaitedWord is how long a voter that says nothing keeps the last service of a VIP open while a majority answers. A VIP that
// only this node could serve would stay down for as long as that voter is dead; after it a cache may be given up for it.
const awaitedWord = LeaseMax

// wordOn is what a voter's newest answer says of continuing a VIP's last service. One that is silent while others answer is
// not waited for without end: nothing speaks for the service then, and to flush a cache is always safe.
func (m *Machine) wordOn(v *site, p *peer) continuity {
	if m.company && m.now.Sub(max(p.viewed, m.companySince)) > awaitedWord {
		return ruledOut
	}
	if !p.heard {
		return unheard
	}
	r := v.record()
	return judge(r.Confirmed, r.Served, p.name, p.memory, p.views[v.lease.no].Last)
}

// mayContinue reports whether this node's last service of a VIP may still be the VIP's last.
func (m *Machine) mayContinue(v *site) bool {
	return v.kept != nil && v.kept.Served.Known() && !m.continuityOver(v)
}

// spokenFor reports whether a majority of voters has said within a lease that this node's last service of a VIP is the VIP's last.
func (m *Machine) spokenFor(v *site) bool {
	speak := 0
	for _, p := range m.seats {
		if m.wordOn(v, p) == speaksFor && m.now.Sub(p.viewedAt) < m.cfg.Lease {
			speak++
		}
	}
	return speak >= m.majority()
}

// continuityOver reports whether so many voters rule continuity out that the others are no majority.
func (m *Machine) continuityOver(v *site) bool {
	open := 0
	for _, p := range m.seats {
		if m.wordOn(v, p) != ruledOut {
			open++
		}
	}
	return open < m.majority()
}

// proveInstances begins a proof wherever one is wanted and nothing speaks against it.
func (m *Machine) proveInstances() {
	for _, in := range m.caches {
		m.graceOver(in)
		if in.stage == FlushIdle && m.now >= in.flushNotBefore && wantsProof(in) && m.mayFlush(in) {
			in.stage, in.trouble = FlushQuieting, ""
			m.emit(WatchQuiet{in.address})
		}
	}
}

// wantsProof reports whether an instance is tainted for a VIP.
func wantsProof(in *instance) bool {
	return slices.ContainsFunc(in.sites, func(v *site) bool { return !v.clean() })
}

// mayFlush reports whether a flush could cost nothing that is wanted: the instance serves nothing, no
// claim of it is out, and no last service of it can be continued.
func (m *Machine) mayFlush(in *instance) bool {
	if !in.up || in.unprovable != "" || m.stopping {
		return false
	}
	for _, v := range in.sites {
		l := v.lease
		if l.role != Idle || l.leftover != 0 || v.record().Served.Known() && !m.continuityOver(v) {
			return false
		}
	}
	return true
}

// instanceUp takes in that an instance answers. At the first contact with a process that keeps no memory
// across restarts, it is proved for every VIP that this node does not hold and that it cannot have served: if it was
// never written to, or if this agent ordered the restart, for VIPs whose addresses were down by then. What clients of
// its other VIPs wrote since cannot be an old value of those.
func (m *Machine) instanceUp(e InstanceUp) {
	in := m.instances[e.Instance]
	if in == nil {
		return
	}
	if !in.up || in.life != e.Figures.Incarnation {
		m.emit(Transition{Instance: e.Instance, From: m.instanceWord(in), To: "up", Cause: CauseDone, Detail: e.Note})
	}
	restarted, restarting := in.life != e.Figures.Incarnation, in.stage == FlushRestarting
	in.known, in.up, in.reason, in.note, in.unprovable, in.keeps = true, true, "", e.Note, e.Unprovable, e.KeepsMemory
	in.conns = e.Conns
	in.life = e.Figures.Incarnation
	if restarted {
		in.undrainedUntil, in.unproved = 0, 0 // its connections, and what was flushed, ended with the other process
		if in.stage != FlushIdle {
			m.endStage(in)
		}
	}
	ordered := restarting && in.diedAt > in.orderedAt && !e.KeepsMemory
	if restarted {
		empty, p := e.Figures.Restart, e.Figures
		p.Restart = true
		m.proved(in, p, CauseRestart, m.heardTerms(in), func(v *site) bool {
			return empty && v.notServedBy(e.Began) || ordered && v.lease.downAt <= in.orderedAt
		})
	}
}

// notServedBy reports whether a process began after the VIP's address last went down here, and so never got anything
// through it. That it was never written to is not enough: what clients sent may wait in it, in a worker that stands
// still (F11). A process of which it is not known when it began may have served, unless a record says that nobody did.
func (v *site) notServedBy(began Instant) bool {
	return v.provedSince() || began > v.lease.downAt // the proof may be another process's
}

// everySite has a proof count for all that this node has no part in.
func everySite(*site) bool { return true }

// proved marks an instance clean for the VIPs that this node has no part in, and that it counts for.
func (m *Machine) proved(in *instance, p Proof, cause Cause, over map[Name]Term, counts func(*site) bool) {
	for _, v := range in.sites {
		l := v.lease
		if l.role != Idle || l.leftover != 0 || !counts(v) {
			continue
		}
		in.trouble, in.restarts, in.unproved = "", 0, 0
		r := v.record()
		if v.clean() && r.Proof == p && r.Over == over[v.Name] {
			continue
		}
		v.kept = &ServiceRecord{VIP: v.Name, Instance: v.Instance, Proof: p, Over: over[v.Name], LastTerm: r.LastTerm}
		m.journal.dirty = true
		m.nextBeat = m.now // voters who know of no clean candidate would have another node give up a cache for this VIP
		m.emit(Transition{Name: v.Name, Instance: in.address, From: "tainted", To: "clean", Cause: cause, Term: over[v.Name]})
	}
}

// heardTerms returns the newest term known of each VIP of an instance. Where the holder has told its own,
// that one: after a majority of voters lost its memory, epochs begin anew below terms that others still know.
func (m *Machine) heardTerms(in *instance) map[Name]Term {
	out := map[Name]Term{}
	for _, v := range in.sites {
		if out[v.Name] = m.heardTerm(v.lease); v.coming.over.Known() {
			out[v.Name] = v.coming.over
		}
	}
	return out
}

// instanceDown gives away what an instance served: at once, but for a restart of ours.
func (m *Machine) instanceDown(e InstanceWentDown) {
	in := m.instances[e.Instance]
	if in == nil {
		return
	}
	if in.up || !in.known {
		m.emit(Transition{Instance: e.Instance, From: m.instanceWord(in), To: "down", Cause: CauseInstanceDown, Detail: e.Reason})
	}
	in.known, in.up, in.reason, in.dead, in.diedAt = true, false, e.Reason, e.Dead, m.now
	if in.stage == FlushQuieting {
		m.endStage(in)
	}
	if m.now >= in.graceUntil {
		m.abandon(in)
	}
}

// abandon gives away every VIP that a dead instance serves.
func (m *Machine) abandon(in *instance) {
	for _, v := range in.sites {
		if l := v.lease; l.held() {
			m.vacate(l, CauseInstanceDown)
		}
	}
}

// diesNow reports whether an instance is known to have ended in this very step, so that few can have asked it in vain.
func (in *instance) diesNow(now Instant) bool { return in.dead && in.diedAt == now }

// graceOver ends the patience with a restart of ours.
func (m *Machine) graceOver(in *instance) {
	if in.graceUntil == 0 || m.now < in.graceUntil {
		return
	}
	in.graceUntil = 0
	if in.stage == FlushRestarting {
		m.endStage(in)
	}
	if !in.up {
		m.abandon(in)
	}
}

func (m *Machine) instanceWord(in *instance) string {
	switch {
	case !in.known:
		return "unknown"
	case in.up:
		return "up"
	}
	return "down"
}

// endStage stops whatever was under way for a proof.
func (m *Machine) endStage(in *instance) {
	if in.stage == FlushQuieting {
		m.emit(StopWatch{in.address})
	}
	in.stage = FlushIdle
}

// stopWatch ends the wait for quiet when a claim of the instance goes out.
func (m *Machine) stopWatch(in *instance) {
	if in != nil && in.stage == FlushQuieting {
		m.endStage(in)
	}
}

// instanceBusy keeps what moved, so that status can name it.
func (m *Machine) instanceBusy(e InstanceBusy) {
	if in := m.instances[e.Instance]; in != nil && in.stage == FlushQuieting {
		in.trouble = e.Detail
	}
}

// instanceQuiet sends the flush. The terms known before it are what its proof is good over.
func (m *Machine) instanceQuiet(address string) {
	in := m.instances[address]
	if in == nil || in.stage != FlushQuieting {
		return
	}
	in.stage = FlushIdle
	if !m.mayFlush(in) || !wantsProof(in) {
		return
	}
	in.stage, in.over = FlushRunning, m.heardTerms(in)
	in.attempt++
	m.emit(FlushInstance{Instance: address, Attempt: in.attempt, Drained: absent(in)})
}

// flushDone takes a proof in. The instance was not eligible meanwhile, so that no VIP it serves can
// have been held between flush and proof (F10).
func (m *Machine) flushDone(e FlushDone) {
	in := m.instances[e.Instance]
	if in == nil || in.stage != FlushRunning || in.attempt != e.Attempt {
		return
	}
	in.stage = FlushIdle
	if !in.up || in.life != e.Proof.Incarnation {
		in.trouble = "memcached restarted during the flush"
		return
	}
	m.proved(in, e.Proof, CauseProof, in.over, everySite)
}

// flushFailed keeps the reason and tries again later.
func (m *Machine) flushFailed(e FlushFailed) {
	in := m.instances[e.Instance]
	if in == nil || in.stage != FlushRunning || in.attempt != e.Attempt {
		return
	}
	m.count("flush_failed")
	in.unproved++
	in.stage, in.trouble, in.flushNotBefore = FlushIdle, e.Reason, m.now.Add(flushRetry)
	m.emit(Transition{Instance: e.Instance, From: "flushing", To: "tainted", Cause: CauseProof, Detail: e.Reason})
}

// checkFailed voids proofs whose figures changed, or keeps an instance back that could not be checked.
func (m *Machine) checkFailed(e InstanceChecked) {
	in := m.instances[e.Instance]
	if in == nil {
		return
	}
	in.trouble = e.Reason
	if !e.Void {
		in.undrainedUntil = m.now.Add(flushRetry)
		return
	}
	for _, v := range in.sites {
		if b := v.lease.take.before; b != nil && !b.Served.Known() {
			b.Proof = Proof{}
		}
		m.voidProof(v)
	}
}

// forceProof restarts a busy memcached for a VIP that no clean node is left for, once a majority of
// voters says so and if the operator configured how. An idle one is flushed without being told, but for what giveUpBarred says,
// and restarted if that comes to nothing; one that keeps its memory would not be proved by a restart.
func (m *Machine) forceProof(v *site, voter string) {
	in := v.in
	if in == nil || m.standing(v) != Eligible || v.clean() || m.mayContinue(v) {
		return
	}
	if in.taintedHints == nil {
		in.taintedHints = map[string]Instant{}
	}
	in.taintedHints[voter] = m.now
	said := 0
	for _, at := range in.taintedHints {
		if m.now.Sub(at) < m.cfg.Lease {
			said++
		}
	}
	if said < m.majority() {
		return
	}
	m.giveUpBarred(in)
	busy := !m.mayFlush(in) || in.stage == FlushQuieting && in.trouble != ""
	if !busy && in.unproved < flushTries || !m.mayRestart(v) {
		return
	}
	m.restartForProof(v)
}

// giveUpBarred lets an instance be flushed that serves nothing, where all that could be continued on it are VIPs that this node
// may not take, whatever becomes of memcached and of the other nodes. That may last for ever.
func (m *Machine) giveUpBarred(in *instance) {
	var barred []*site
	for _, v := range in.sites {
		switch l := v.lease; {
		case l.role != Idle || l.leftover != 0:
			return
		case !m.mayContinue(v):
		case slices.Contains([]Standing{Excluded, LinkDown, AddressStuck, ForeignHost, OtherHands}, m.standing(v)):
			barred = append(barred, v)
		default:
			return
		}
	}
	for _, v := range barred {
		m.forget(v)
		m.emit(Transition{Name: v.Name, Instance: in.address, From: "warm", To: "tainted", Cause: CauseTainted})
	}
}

// mayRestart reports whether a restart of a VIP's instance may be ordered now, and would prove anything.
func (m *Machine) mayRestart(v *site) bool {
	return v.CanRestart && !v.in.keeps && m.now >= max(v.in.flushNotBefore, v.in.restartNotBefore)
}

// restartForProof has an instance restarted that serves others, so that it is proved for a VIP. They stay
// here meanwhile, for as long as a restart may take; each restart costs them their cache.
func (m *Machine) restartForProof(v *site) {
	in := v.in
	m.endStage(in)
	m.count("restart_for_proof")
	in.stage, in.orderedAt, in.graceUntil = FlushRestarting, m.now, m.now.Add(restartGrace)
	in.restartNotBefore = m.now.Add(5 * restartGrace << min(in.restarts, 6))
	in.restarts++
	m.emit(Transition{Name: v.Name, Instance: in.address, From: "tainted", To: "restarting", Cause: CauseTainted})
	m.emit(RestartInstance{in.address})
}

// RestartTrouble begins an InstanceState's Trouble that is the reason of a RestartFailed.
const RestartTrouble = "restart_command failed: "

// restartFailed keeps the reason. A memcached that has died since the order was restarted, whatever the command says of itself,
// and the command may end long after its grace has.
func (m *Machine) restartFailed(e RestartFailed) {
	in := m.instances[e.Instance]
	if in == nil || in.diedAt > in.orderedAt {
		return
	}
	m.count("restart_failed")
	m.emit(Transition{Instance: e.Instance, From: "restarting", To: "tainted", Cause: CauseRestart, Detail: e.Reason})
	if in.stage == FlushRestarting {
		m.endStage(in)
	}
	in.graceUntil = 0
	if in.stage == FlushIdle && wantsProof(in) {
		in.trouble = RestartTrouble + e.Reason
	}
}
