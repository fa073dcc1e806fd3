package core

import (
	"slices"
	"time"
)

// voter grants leases. It can be read alone: it knows claims, releases and time, and nothing of what
// its node itself wants. The rules and what each of them prevents (F1 to F22): ARCHITECTURE.md, "The protocol".
type voter struct {
	name        string
	incarnation uint64 // random at every start (F1)
	memory      uint64 // random, kept with the state, new when the state was lost (F8)
	lease       time.Duration
	list        func() ListID
	benched     bool // not on the list in force: it hears of no claims, and so names nobody for what looks free

	silentUntil Instant // grants nothing before (F4)
	homesUntil  Instant // after a silence, a VIP without history goes to a clean home only

	slots   map[Name]*slot
	all     []*slot // sorted by name
	nodes   map[string]*neighbour
	known   []*neighbour // all of them, in the order in which they were first heard of
	names   *names
	edition uint64 // of what it says of all names

	// strangers are slots of names that are not configured any more, and may be again: for good by their last term, until
	// strangersUntil by what was granted of them.
	strangers      []SlotRecord
	strangersUntil Instant
}

// neighbour is a voter's memory of one node: the newest state it put into a claim, and when it last claimed.
type neighbour struct {
	ratedState
	life  uint64        // of the agent that told the state
	heard Request       // the newest claim that was heard
	at    Instant       // when that came; zero: never
	alive time.Duration // how long it counts as alive: one lease of its own
	deals []dealings    // by name, in their order
}

// dealings is what a node did with one name.
type dealings struct {
	newest   Request // newest request seen or cancelled (F15)
	released Request // newest release carried out; it acts once (F19)
	gaveUp   Instant // when that was
}

// slot is a voter's memory of one name.
type slot struct {
	no       int // place among all
	vip      VIP // zero but for the name: the hand-back slot
	grant    grant
	reserved reservation
	last     Term // last recorded term; outlives the grant

	stood   nameStanding // when answers last told of it
	edition uint64       // the voter's, when that changed

	nextHint       Instant
	hintRank       int
	named          string  // by the newest hint
	noCleanSince   Instant // no placeable candidate since; 0 if there is one
	placeableSince Instant // while noCleanSince is set: the first one showed up then
	asked          string  // the tainted node that was named last in that time
	askedAt        Instant // then
}

// grant is a lease given to one claimant. The zero grant is none.
type grant struct {
	to      Claimant
	source  string // network address the claim came from
	life    uint64 // of the claimant's agent: one number may stand for two requests if its state was lost
	request Request
	length  time.Duration
	expires Instant
	floor   Instant // ends no sooner: an earlier life of the agent may have it until then, at another length
	holding bool    // renewed at least once
}

// reservation keeps a name for the successor that its last holder named.
type reservation struct {
	node, by string
	until    Instant
}

func (g *grant) given() bool       { return g.to.Node != "" }
func (r *reservation) given() bool { return r.node != "" }

// newVoter returns a voter with what its file held. Loaded grants are armed for the longest possible
// lease, since renewals are not written (F5); without a valid file, or one of a voter, it stays silent that long (F4). A file
// that goes by a list without this node is no voter's: what was served while it had no vote it was not told, and a majority
// with it might call an older service the last (F8).
func newVoter(cfg Config, name string, d Durable, valid bool, now Instant, random *entropy, list func() ListID) *voter {
	v := &voter{
		name: name, incarnation: random.draw(), memory: d.Memory, lease: cfg.Lease, names: numbered(cfg.VIPs), list: list,
		slots: map[Name]*slot{}, nodes: map[string]*neighbour{},
	}
	for i, vip := range v.names.vips {
		s := &slot{vip: vip, no: i}
		v.slots[vip.Name] = s
		v.all = append(v.all, s)
	}
	v.silentUntil = min(d.SilentUntil, now.Add(cfg.grow(LeaseMax)))
	if valid = valid && d.Memory != 0 && slices.Contains(d.Voters, name); !valid {
		v.memory = random.draw()
		v.silentUntil = now.Add(cfg.grow(LeaseMax))
	}
	if v.silentUntil > now {
		v.homesUntil = v.silentUntil.Add(2 * cfg.Lease)
	}
	if !valid {
		return v
	}
	for _, r := range d.Slots {
		s := v.slots[r.Name]
		if s == nil {
			v.strangers, v.strangersUntil = append(v.strangers, r), now.Add(LeaseMax)
			continue
		}
		s.last = r.Last
		if r.Grant.Node != "" {
			s.grant = grant{to: r.Grant, request: r.Request, length: time.Duration(r.Length), expires: now.Add(LeaseMax)}
			v.node(r.Grant.Node).deals[s.no].newest = r.Request
		}
		if r.Reserved != "" {
			s.reserved = reservation{node: r.Reserved, by: r.By, until: now.Add(LeaseMax)}
		}
	}
	return v
}

// node returns what is known of a node.
func (v *voter) node(name string) *neighbour {
	n := v.nodes[name]
	if n == nil {
		n = &neighbour{deals: make([]dealings, len(v.all))}
		v.nodes[name] = n
		v.known = append(v.known, n)
	}
	return n
}

// keep writes down what has to survive this life.
func (v *voter) keep(d *Durable) {
	d.Memory, d.SilentUntil = v.memory, v.silentUntil
	for _, s := range v.all {
		r := SlotRecord{Name: s.vip.Name, Last: s.last}
		if s.grant.given() {
			r.Grant, r.Request, r.Length = s.grant.to, s.grant.request, int64(s.grant.length)
		}
		if s.reserved.given() {
			r.Reserved, r.By = s.reserved.node, s.reserved.by
		}
		d.Slots = append(d.Slots, r)
	}
	d.Slots = append(d.Slots, v.strangers...)
}

// expire ends what is over at now, before any event is looked at. It reports what else the file has to be written for.
func (v *voter) expire(now Instant) (changed bool) {
	if v.strangersUntil != 0 && now >= v.strangersUntil {
		v.strangersUntil, changed = 0, true
		for i, r := range v.strangers {
			v.strangers[i] = SlotRecord{Name: r.Name, Last: r.Last}
		}
	}
	for _, s := range v.all {
		freed := false
		if s.grant.given() && now >= s.grant.expires {
			s.grant, freed = grant{}, true
		}
		if s.reserved.given() && now >= s.reserved.until {
			s.reserved, freed = reservation{}, true
		}
		if freed {
			s.hintNow(now)
		}
	}
	return changed
}

func (s *slot) free() bool { return !s.grant.given() && !s.reserved.given() }

// hintNow starts the ranking of candidates anew.
func (s *slot) hintNow(now Instant) { s.nextHint, s.hintRank, s.named = now, 0, "" }

// silent reports whether the voter must not grant yet, and for how long (F4).
func (v *voter) silent(now Instant) (time.Duration, bool) {
	return max(0, v.silentUntil.Sub(now)), now < v.silentUntil
}

// claim handles a claim. changed says that the file has to be written before the answer leaves.
func (v *voter) claim(now Instant, source string, c Claim) (a Answer, changed bool) {
	from := v.node(c.From.Node)
	a = Answer{
		Voter: v.name, Incarnation: v.incarnation, Memory: v.memory, Life: c.Life,
		Request: c.Request(), List: v.list(),
	}
	a.Refused = v.refuseWhole(now, &c)
	if rival, two := v.rivalHost(c.From); two && a.Refused == NotRefused {
		a.Refused, a.Other = SameName, rival
	}
	if left, silent := v.silent(now); silent {
		a.Left = left
	}
	if a.Refused == NotRefused || a.Refused == Silent {
		from.hear(now, &c)
	}
	a.Knows = from.knows(c.Life)
	if a.Refused != SameName {
		a.Newest = from.newest(now, &c)
	}
	a.Entries = make([]AnswerEntry, 0, len(c.Entries))
	for i := range c.Entries {
		e := &c.Entries[i]
		s := v.slots[e.Name]
		if s == nil || c.asksAgain(i) {
			continue
		}
		entry := AnswerEntry{Name: e.Name, Asked: true, Refused: a.Refused}
		if a.Refused == NotRefused {
			ch := false
			entry.Refused, ch = s.decide(now, source, &c, e, &from.deals[s.no])
			changed = changed || ch
			v.place(now, s, &c, &entry)
		}
		s.show(now, &entry)
		a.Entries = append(a.Entries, entry)
	}
	if a.Refused != SameName {
		for i := range from.deals {
			if d := &from.deals[i]; d.newest.Compare(a.Newest) > 0 {
				a.Newest = d.newest
			}
		}
	}
	v.tell(now, &c, &a)
	return a, changed
}

// asksAgain reports whether a later entry asks for the same name: of two, the last counts.
func (c *Claim) asksAgain(i int) bool {
	return slices.ContainsFunc(c.Entries[i+1:], func(e ClaimEntry) bool { return e.Name == c.Entries[i].Name })
}

// refuseWhole checks what a claim as a whole must satisfy before any entry is looked at.
func (v *voter) refuseWhole(now Instant, c *Claim) Refusal {
	_, silent := v.silent(now)
	list := v.list()
	switch {
	case c.Echo != v.incarnation:
		return WrongIncarnation
	case c.Must&^understood != 0 || c.From.Start > numberMax:
		return NotUnderstood
	case c.List.Digest != list.Digest && c.List.Previous != list.Digest && c.List.Digest != list.Previous:
		return OtherList
	case silent:
		return Silent
	case c.Length <= 0 || c.Length > LeaseMax:
		return TooLong
	}
	return NotRefused
}

// rivalHost returns where another host speaks from that has an unexpired grant under the same name: two
// hosts with one name must not have one lease between them, nor be taken for one another (F6).
func (v *voter) rivalHost(from Claimant) (source string, two bool) {
	for _, s := range v.all {
		if g := &s.grant; g.given() && g.to.Node == from.Node && g.to.Boot != from.Boot {
			return g.source, true
		}
	}
	return "", false
}

// hear keeps the newest state of a node, for ranking. A claim that is older than another one says nothing new, and
// neither does one that goes by a state that the voter does not have: the answer will say so.
func (n *neighbour) hear(now Instant, c *Claim) {
	switch {
	case c.Request().Compare(n.heard) <= 0:
		return
	case !c.Unchanged:
		n.ratedState, n.life = ratedState{state: c.State}, c.Life
	case n.knows(c.Life) != c.State.Version:
		return
	}
	n.heard, n.at, n.alive = c.Request(), now, c.Length
}

// knows is the version of the state that is known of a life of the node, 0 if none is.
func (n *neighbour) knows(life uint64) uint64 {
	if n.life != life {
		return 0
	}
	return n.state.Version
}

// see keeps what the voter's own node knows of itself at this moment.
func (n *neighbour) see(now Instant, s NodeState, life uint64, alive time.Duration) {
	n.ratedState, n.life, n.at, n.alive = ratedState{state: s}, life, now, alive
}

// newest is the newest request that the node's states tell of. An agent that lost its state begins anew below
// its former life: it must rise above it, or what it says would count as old (F15). Not while the former
// life still speaks: two agents of one name would outbid each other for ever.
func (n *neighbour) newest(now Instant, c *Claim) Request {
	r := Request{Start: n.state.Start}
	if c.Life != n.life && c.From.Start == r.Start && now.Sub(n.at) >= n.alive {
		r.Counter = numberMax
	}
	return r
}

// decide grants or refuses one entry. A refused claim records nothing (F7).
func (s *slot) decide(now Instant, source string, c *Claim, e *ClaimEntry, d *dealings) (r Refusal, changed bool) {
	from, req := c.From, c.Request()
	switch req.Compare(d.newest) {
	case -1:
		return OldRequest, false
	case 0:
		return s.again(from, req, c.Life), false
	}
	d.newest = req
	if s.grant.given() && s.grant.to.Node != from.Node {
		return Held, false
	}
	if s.reserved.given() && s.reserved.node != from.Node && s.reserved.by != from.Node {
		return Reserved, false
	}
	changed = s.grant.to != from || s.grant.length != c.Length || s.reserved.given()
	floor := s.grant.floor
	if s.grant.given() && s.grant.to != from {
		floor = max(floor, min(s.grant.expires, now.Add(s.grant.length))) // of two lives before, the first may be fenced for longer
	}
	s.grant = grant{
		to: from, source: source, life: c.Life, request: req, length: c.Length, expires: max(now.Add(c.Length), floor),
		floor: floor, holding: e.Kind == Renewal,
	}
	s.reserved = reservation{}
	s.noCleanSince = 0
	return NotRefused, s.record(e) || changed
}

// again answers a request that was answered before: nothing is granted or prolonged.
func (s *slot) again(from Claimant, req Request, life uint64) Refusal {
	switch {
	case s.grant.to == from && s.grant.request == req && s.grant.life == life:
		return NotRefused
	case s.grant.given() && s.grant.to.Node != from.Node:
		return Held
	case s.reserved.given() && s.reserved.node != from.Node:
		return Reserved
	}
	return OldRequest
}

// record notes the term of a granted claim (F7, F8): a fresh or renewed one over none or a smaller
// epoch, a continued one only over a smaller epoch, so that an old claim cannot teach a voter that
// forgot.
func (s *slot) record(e *ClaimEntry) (changed bool) {
	if e.Term.Epoch > numberMax || s.last.Known() && e.Term.Epoch <= s.last.Epoch || !s.last.Known() && e.Kind == Continuation {
		return false
	}
	s.last = e.Term
	return true
}

// place tells a refused claimant where it stands: its rank, and whether the rival ranks above it (F16).
func (v *voter) place(now Instant, s *slot, c *Claim, entry *AnswerEntry) {
	if entry.Refused == NotRefused {
		return
	}
	load := v.loads()
	load.count(s, -1)
	ranked := rank(s.vip, v.candidates(now, s, load))
	mine := slices.IndexFunc(ranked, func(x candidate) bool { return x.node == c.From.Node })
	rival := slices.IndexFunc(ranked, func(x candidate) bool { return x.node == s.grant.to.Node })
	entry.Rank = max(mine, 0)
	switch {
	case entry.Refused != Held || s.grant.holding:
	case mine < 0 && rival < 0: // the hand-back slot is not ranked: by name
		entry.Above = s.grant.to.Node < c.From.Node
	default:
		entry.Above = mine < 0 || rival >= 0 && rival < mine
	}
}

// show fills in how the name stands after the claim was handled.
func (s *slot) show(now Instant, e *AnswerEntry) {
	e.Last = s.last
	switch {
	case s.grant.given():
		e.Grantee, e.Holding, e.Left = s.grant.to.Node, s.grant.holding, s.grant.expires.Sub(now)
	case s.reserved.given():
		e.Left = s.reserved.until.Sub(now)
	}
}

// release carries a release out, once: it cancels the request and older ones, and may reserve the
// name for a successor, or take the node's own reservation back (F1, F3, F15, F19).
func (v *voter) release(now Instant, r Release) (a Ack, changed bool) {
	a = Ack{Voter: v.name, Incarnation: v.incarnation, Request: r.Request()}
	if r.Echo != v.incarnation {
		a.Refused = WrongIncarnation
		return a, false
	}
	from := v.node(r.From.Node)
	for _, e := range r.Entries {
		if s := v.slots[e.Name]; s != nil {
			changed = s.release(now, r, e, &from.deals[s.no]) || changed
		}
	}
	return a, changed
}

func (s *slot) release(now Instant, r Release, e ReleaseEntry, d *dealings) (changed bool) {
	node, req := r.From.Node, r.Request()
	if req.Compare(d.released) <= 0 {
		return false
	}
	if s.grant.given() && s.grant.to.Node == node && s.grant.to.Boot != r.From.Boot {
		return false // another host of that name has it (F6)
	}
	d.released, d.gaveUp = req, now
	if req.Compare(d.newest) > 0 {
		d.newest = req
	}
	if s.grant.to.Node == node && s.grant.request.Compare(req) <= 0 {
		s.grant, changed = grant{}, true
	}
	if s.reserved.by == node {
		s.reserved, changed = reservation{}, true
	}
	if e.Successor != "" && s.free() && r.Length > 0 && r.Length <= LeaseMax {
		s.reserved, changed = reservation{node: e.Successor, by: node, until: now.Add(r.Length)}, true
	}
	if s.free() {
		s.hintNow(now)
	}
	return changed
}
