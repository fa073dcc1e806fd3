package core

import (
	"slices"
	"time"
)

// Machine decides for one node. It is owned by one goroutine.
type Machine struct {
	cfg     Config
	now     Instant
	started Instant // zero before Started
	self    Claimant
	life    uint64 // random per start; answers repeat it
	random  entropy
	counter uint64 // newest request sent
	checks  uint64 // newest question to an instance before an address goes up

	voter      *voter // nil if this node has no vote
	lists      voterLists
	peers      map[string]*peer
	seats      []*peer   // the voters in force, in their list's order
	majorityAt Instant   // a majority of them answered a request sent then or later; zero: none did. See tally.
	packets    []*packet // oldest first
	toResend   []*packet // those of packets whose resendAt is ahead
	releases   []sentRelease
	nextBeat   Instant
	lastBeat   Instant
	beatsSoon  []Instant // extra heartbeats, to see what became of a release

	names     *names
	sites     []*site // of VIPs, sorted by name
	leases    map[Name]*lease
	all       []*lease // sorted by name
	instances map[string]*instance
	caches    []*instance                  // sorted by address
	strangers map[recordKey]*ServiceRecord // of VIPs and instances that are not configured any more
	slotFor   Name                         // VIP for which the hand-back slot is wanted or held

	states    map[string]*heardState // by gossip and by claims, newest of each node
	macs      map[string][]string    // which every node has ever told as its own, the newest last; this one too
	told      []string               // which this node tells; never written to
	seq       uint64                 // of the own state
	rose      bool                   // above a former life that others told of; see hearFormerLife
	described NodeState              // as it was last written down; what it holds is never written to
	sent      uint64                 // the version that was published
	sentAt    Instant

	draining, stopping, exited bool
	pause                      Pause
	keptIn                     uint64 // the save that says what is left up; zero unless the node leaves with its addresses up

	reunitedAt  Instant // when a node was last heard again after a silence
	lookedAgain Instant // when voters were last asked at once because of a foreign host

	margin       time.Duration // as configured
	worstDrop    time.Duration // of late
	company      bool          // quorate when last looked
	companySince Instant       // since then

	journal journal
	loop    []looped // messages to itself, empty between steps
	out     []Effect
	woke    Instant // the instant last asked for
	counts  map[string]int
}

// heardState is another node's state and when it was heard.
type heardState struct {
	ratedState
	told    Instant // when the state came
	at      Instant // when it was last known to be true
	request Request // the newest claim that said so
	claimed Instant // when its newest claim came; zero: none did
}

// aged is the state with what counts time as it was when the state was last known to be true.
func (h *heardState) aged() NodeState {
	d := h.at.Sub(h.told)
	if d <= 0 {
		return h.state
	}
	s := h.state
	s.VIPs = slices.Clone(s.VIPs)
	for i := range s.VIPs {
		v := &s.VIPs[i]
		v.Wait = max(0, v.Wait-d)
		if v.Role == Holding {
			v.HeldFor += d
		}
		if v.Conflict != "" {
			v.ConflictAgo += d
		}
	}
	return s
}

// looped is a message of the node to itself: its voter and its holder speak like strangers.
type looped struct{ msg Message }

// New returns the machine of one node. It expects Started as its first event.
func New(cfg Config) *Machine {
	cfg.valid()
	m := &Machine{
		cfg: cfg, leases: map[Name]*lease{}, instances: map[string]*instance{}, strangers: map[recordKey]*ServiceRecord{},
		margin: cfg.Margin, peers: map[string]*peer{}, states: map[string]*heardState{}, counts: map[string]int{},
		macs: map[string][]string{},
	}
	m.ownMACs(cfg.MACs)
	m.furnish()
	return m
}

// Step applies one event at the given instant and returns what to do next, in order.
// It never blocks and never fails: an effect that failed comes back later as an event.
func (m *Machine) Step(now Instant, ev Event) []Effect {
	m.now, m.out = max(now, m.now), nil
	if s, ok := ev.(Started); ok {
		m.start(s)
	}
	if m.started == 0 {
		broken("%T before Started", ev)
	}
	late := m.now >= m.woke
	if late {
		m.expire()
	}
	calm := m.dispatch(ev) && !late && !m.journal.dirty && m.journal.soon == 0
	if calm && !m.settle() {
		return m.out // nothing came up, and nothing is due
	}
	m.due()
	for len(m.loop) > 0 || m.settle() { // what the node says to itself may ask for the same save
		m.deliver()
		m.due()
	}
	m.publish()
	if at := m.wake(); at != m.woke || isTick(ev) {
		m.woke = at
		m.emit(WakeAt{at})
	}
	m.check()
	return m.out
}

func isTick(ev Event) bool { _, ok := ev.(Tick); return ok }

func (m *Machine) emit(e Effect) {
	if m.out == nil {
		m.out = make([]Effect, 0, 4) // most steps order less
	}
	m.out = append(m.out, e)
}

func (m *Machine) count(what string) { m.counts[what]++ }

// start begins a life with what the former one left.
func (m *Machine) start(s Started) {
	assert(m.started == 0, "started twice")
	m.started = m.now
	m.random = entropy{s.Entropy}
	m.self = Claimant{Node: m.cfg.Node, Boot: s.Boot, Start: s.Durable.Start + 1}
	m.life = m.random.draw()
	d := s.Durable
	if !s.Valid {
		d = Durable{Start: d.Start}
		cause := CauseFirstStart
		if s.Problem != "" {
			cause = CauseStateLost
		}
		m.emit(Transition{From: "stopped", To: "started", Cause: cause, Detail: s.Problem})
	}
	m.lists = newVoterLists(m.cfg, d)
	if m.lists.problem != "" {
		m.emit(Transition{From: "started", To: "started", Cause: CauseVoterList, Detail: m.lists.problem})
	}
	m.draining, m.pause = d.Draining, d.Pause
	if m.lists.votes(m.cfg.Node) {
		m.voter = newVoter(m.cfg, m.cfg.Node, d, s.Valid, m.now, &m.random, m.lists.id)
		m.journal.memory = m.voter.memory
	}
	m.seatVoters()
	for _, r := range d.Service {
		m.keepRecord(&r)
	}
	for _, l := range m.all {
		l.since, l.downAt = m.now, m.now
	}
	m.journal.dirty = true
	m.leftovers(s.Present, d.Kept)
	m.nextBeat = m.now
}

// expire ends what is over at now, before the event is looked at.
func (m *Machine) expire() {
	if m.voter != nil && m.voter.expire(m.now) {
		m.journal.dirty = true
	}
	for _, l := range m.all {
		m.expireLease(l)
	}
}

// dispatch hands an event to the part of the machine that it concerns. It reports whether that left everything as it
// was, but for leases that last longer: then nothing else has to be looked at. In a large cluster most events are of
// that kind.
func (m *Machine) dispatch(ev Event) (calm bool) {
	switch e := ev.(type) {
	case Received:
		return m.receive(e.Source, e.Msg)
	case StateHeard:
		if e.State.Node == m.cfg.Node {
			m.hearFormerLife(&e.State)
			return false
		}
		return m.hearState(&e.State)
	case Started, Tick:
	case StateSaved:
		m.saved(e.Seq)
	case SaveFailed:
		m.saveFailed(e)
	case InstanceUp:
		m.instanceUp(e)
	case InstanceWentDown:
		m.instanceDown(e)
	case InstanceQuiet:
		m.instanceQuiet(e.Instance)
	case InstanceBusy:
		m.instanceBusy(e)
	case FlushDone:
		m.flushDone(e)
	case FlushFailed:
		m.flushFailed(e)
	case RestartFailed:
		m.restartFailed(e)
	case InstanceChecked:
		m.instanceChecked(e)
	case AddressUp:
		m.addressUp(e)
	case AddressFailed:
		m.addressFailed(e)
	case AddressDown:
		m.addressDown(e)
	case AddressGone:
		m.addressGone(e)
	case AddressLost:
		m.addressLost(e)
	case AddressRestored:
		m.addressRestored(e)
	case LinkChanged:
		m.linkChanged(e)
	case AddressSeen:
		m.addressSeen(e)
	case MACsChanged:
		m.ownMACs(e.MACs)
		m.announceHeld() // neighbours know the old ones
	case StopRequested:
		m.stop(e.Keep)
	case DrainRequested:
		m.drain(e.On)
	case HandbackRequested:
		m.handback(e.Name)
	case MoveRequested:
		m.move(e)
	case PauseRequested:
		m.pauseRequested(e.On)
	case FlushRequested:
		m.flushAsked(e.Instance)
	default:
		assert(false, "unknown event %T", ev)
	}
	return false
}

// receive hands a message to the voter or to the node. What it reports is as for dispatch.
func (m *Machine) receive(source string, msg Message) (calm bool) {
	switch x := msg.(type) {
	case Claim:
		return m.claimed(source, &x)
	case Release:
		if m.voter != nil {
			m.voterRelease(x)
		}
	case Answer:
		return m.answered(&x)
	case Ack:
		m.acked(x)
	case Hint:
		m.hinted(x)
	case Ask:
		m.asked(x)
	case AskReply:
		m.askReplied(x)
	case StandBy:
		m.standBy(x)
	case Decline:
		m.declined(x)
	default:
		assert(false, "unknown message %T", msg)
	}
	return false
}

// claimed hears from the claimant, and has the voter answer.
func (m *Machine) claimed(source string, c *Claim) (calm bool) {
	reunited := m.heardClaim(c.From.Node, c.Length)
	if !c.Unchanged {
		m.hearState(&c.State)
	}
	m.stillTrue(c)
	if m.voter == nil {
		m.count("claim_without_vote")
		return false
	}
	answer, changed := m.voter.claim(m.now, source, *c)
	m.journal.dirty = m.journal.dirty || changed
	m.sendSaved(c.From.Node, answer)
	roused := m.voter.heardFrom(m.now, c.From.Node)
	return c.Unchanged && !reunited && !changed && !roused && c.renews(&answer) && !m.voter.grantsEnd(c, m.woke)
}

// grantsEnd reports whether a grant that a claim asked for ends before an instant: renewed by an agent with a shorter lease
// than the one before it, it may end sooner than was known.
func (v *voter) grantsEnd(c *Claim, before Instant) bool {
	return slices.ContainsFunc(c.Entries, func(e ClaimEntry) bool {
		s := v.slots[e.Name]
		return s != nil && s.grant.given() && s.grant.expires < before
	})
}

// renews reports whether a claim asked for no more than to prolong what the claimant holds, and got it.
func (c *Claim) renews(a *Answer) bool {
	return a.Refused == NotRefused &&
		!slices.ContainsFunc(c.Entries, func(e ClaimEntry) bool { return e.Kind != Renewal }) &&
		!slices.ContainsFunc(a.Entries, func(e AnswerEntry) bool { return e.Refused != NotRefused })
}

// voterRelease carries a release out and tells the successors it names.
func (m *Machine) voterRelease(r Release) {
	ack, changed := m.voter.release(m.now, r)
	m.sendSaved(r.From.Node, ack)
	if !changed {
		return
	}
	m.saveSoon() // only the confirmation waits for it; until then a voter that forgets has granted the name to nobody else
	for _, e := range r.Entries {
		if to, hint, ok := m.voter.reservedHint(m.now, e.Name); ok && hint.By == r.From.Node {
			m.send(to, hint)
		}
	}
}

// due does what the clock asks for.
func (m *Machine) due() {
	m.keepCompany()
	for _, v := range m.sites {
		m.attend(v)
	}
	m.beat()
	m.resend()
	m.giveHints()
	for _, l := range m.all {
		m.pursue(l)
	}
	m.comeHome()
	m.proveInstances()
	for _, v := range m.sites {
		m.noteRefusal(v)
	}
	m.adoptVoterList()
	m.leave()
}

// giveHints lets the voter name candidates.
func (m *Machine) giveHints() {
	if m.voter == nil || !m.voter.hintDue(m.now) {
		return
	}
	// What this node last told its voter may be a heartbeat old.
	own := m.describe()
	m.voter.node(m.cfg.Node).see(m.now, own, m.life, m.cfg.Lease)
	for _, h := range m.voter.hints(m.now, m.stagger(), m.trustFrom()) {
		m.send(h.to, h.hint)
	}
}

// trustFrom is when this node's voter knows the candidates well enough to choose: a heartbeat and a half
// after it found the others again, since a node says that it is quorate only once answered. While it has
// lost them it waits two leases, and then takes what it hears: candidates may reach it that it cannot.
func (m *Machine) trustFrom() Instant {
	if m.company {
		return m.companySince.Add(Heartbeat(m.cfg.Lease) * 3 / 2)
	}
	return m.companySince.Add(2 * m.cfg.Lease)
}

// keepCompany notes when this node began or ceased to hear a majority, and says the former at once.
func (m *Machine) keepCompany() {
	if now := m.quorate(); now != m.company {
		m.company, m.companySince = now, m.now
		if now {
			m.nextBeat = m.now
		}
	}
}

// drain begins or ends giving VIPs away on an operator's word; it outlives the agent.
func (m *Machine) drain(on bool) {
	if m.draining == on {
		return
	}
	m.draining, m.journal.dirty = on, true
	if on {
		m.giveAll(CauseDrain)
	}
}

// giveAll moves every VIP of this node away and ends its attempts.
func (m *Machine) giveAll(cause Cause) {
	for _, l := range m.all {
		m.vacate(l, cause)
	}
}

// wake returns the next instant at which something is due.
func (m *Machine) wake() Instant {
	a := alarm{m.now, never}
	a.set(m.nextBeat)
	a.set(m.hastenAt())
	a.set(m.journal.wakeAt())
	if m.voter != nil {
		m.voter.wake(&a)
	}
	for _, t := range m.beatsSoon {
		a.set(t)
	}
	for _, p := range m.toResend {
		a.set(p.resendAt)
	}
	for _, r := range m.releases {
		a.set(min(r.resendAt, r.until))
	}
	for _, l := range m.all {
		a.set(m.leaseWake(l))
	}
	for _, v := range m.sites {
		a.set(v.defendWake())
	}
	a.set(m.comeHomeAt())
	if m.company {
		a.set(m.aloneAt())
	}
	return a.at
}

// alarm is the first of many instants. One that is overdue, so that it could not be dealt with now, must not hide the
// next one that is not: a lease may end before it is looked at again.
type alarm struct{ now, at Instant }

func (a *alarm) set(t Instant) {
	if t <= a.now {
		t = a.now.Add(overdue)
	}
	a.at = min(a.at, t)
}

// overdue is when to look again at what is due and could not be done now.
const overdue = time.Millisecond

// stagger is Stagger by the round trips of late.
func (m *Machine) stagger() time.Duration { return Stagger(m.rtt()) }

// heardClaim notes that a node is heard, which claims several times in a lease of its own.
// It reports whether it had not been for long.
func (m *Machine) heardClaim(node string, lease time.Duration) (reunited bool) {
	if h := m.states[node]; h != nil {
		if reunited = h.claimed != 0 && m.now.Sub(h.claimed) > max(lease, m.cfg.Lease); reunited {
			m.reunited()
		}
		h.claimed = m.now
	}
	return reunited
}

// hearState keeps the newest state of each other node. It reports whether that says no more than that it is still true.
func (m *Machine) hearState(s *NodeState) (calm bool) {
	if s.Node == m.cfg.Node || s.Node == "" {
		return true
	}
	h := m.states[s.Node]
	if h == nil {
		h = &heardState{}
		m.states[s.Node] = h
	}
	if h.at == 0 || !slices.Equal(h.state.MACs, s.MACs) {
		m.learnMACs(s.Node, s.MACs) // an old state's too: once told is enough
	}
	if h.state.newerThan(s) || h.at != 0 && !s.newerThan(&h.state) {
		return false
	}
	m.hearPause(s.Pause)
	calm = h.at != 0 && h.state.Start == s.Start && h.state.Version == s.Version
	if h.at != 0 && m.now.Sub(h.at) > m.fresh() {
		calm = false
		m.reunited()
	}
	h.ratedState, h.told, h.at = ratedState{state: *s}, m.now, m.now
	return calm
}

// stillTrue notes that a node's state has not changed since the version that its claim names. An older claim than
// another one says nothing new.
func (m *Machine) stillTrue(c *Claim) {
	h := m.states[c.From.Node]
	if h == nil || h.state.Start != c.From.Start || h.state.Version != c.State.Version || c.Request().Compare(h.request) <= 0 {
		return
	}
	h.request, h.at = c.Request(), m.now
}
