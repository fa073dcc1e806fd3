package core

import (
	"math/bits"
	"slices"
	"time"
)

// Who is told that a name is free, and when. A hint grants nothing: lost, doubled or wrong, it only
// changes when somebody claims.

// candidates are the nodes that are alive and say that they may take the name, in no order.
func (v *voter) candidates(now Instant, s *slot, load loads) []candidate {
	if s.vip.Name == HandbackSlot {
		return nil
	}
	cs := make([]candidate, 0, len(v.known))
	for _, h := range v.known {
		if c, ok := v.candidate(now, s, h, load); ok {
			cs = append(cs, c)
		}
	}
	return cs
}

// cleanHome is the home of a name alone, if it is a candidate and clean.
func (v *voter) cleanHome(now Instant, s *slot, load loads) []candidate {
	if h := v.nodes[s.vip.Home]; h != nil {
		if c, ok := v.candidate(now, s, h, load); ok && c.clean {
			return []candidate{c}
		}
	}
	return nil
}

// candidate is what a node is for a name, unless it is dead or what it last said is older than its release.
func (v *voter) candidate(now Instant, s *slot, h *neighbour, load loads) (candidate, bool) {
	if now.Sub(h.at) >= h.alive || h.at <= h.deals[s.no].gaveUp {
		return candidate{}, false
	}
	c, ok := h.account(v.names).rate(s.vip, s.no, s.last)
	c.held = max(c.held, load[c.node])
	return c, ok
}

// loads count what each node has or may be about to take, as a voter knows without being told: names that
// it granted to the node, keeps for it or has just named it for. When a host dies its VIPs run out within
// milliseconds, and what the survivors say of themselves is older than that.
type loads map[string]int

func (v *voter) loads() loads {
	load := loads{}
	for _, s := range v.all {
		load.count(s, 1)
	}
	return load
}

// count adds a name's share, or takes it out: a name that is to be placed does not count.
func (l loads) count(s *slot, by int) {
	if s.vip.Name == HandbackSlot {
		return
	}
	for i, node := range [...]string{s.grant.to.Node, s.reserved.node, s.nameTold()} {
		if node != "" && (i == 0 || node != s.grant.to.Node) {
			l[node] += by
		}
	}
}

// nameTold is the node that the newest hint named for a name that is free, "" if it is not or none did.
func (s *slot) nameTold() string {
	if !s.free() {
		return ""
	}
	return s.named
}

// reservedHint returns the word to the successor that a release has just named.
func (v *voter) reservedHint(now Instant, n Name) (to string, h Hint, ok bool) {
	s := v.slots[n]
	if s == nil || !s.reserved.given() {
		return "", Hint{}, false
	}
	h = v.hint(now, s)
	h.By = s.reserved.by
	return s.reserved.node, h, true
}

// hint is the word that a name is free, or kept for whom it is told to.
func (v *voter) hint(now Instant, s *slot) Hint {
	v.look(now)
	return Hint{Voter: v.name, Name: s.vip.Name, Last: s.last, Incarnation: v.incarnation, Edition: v.edition}
}

// addressed is a hint with its receiver.
type addressed struct {
	to   string
	hint Hint
}

// hints names the candidates whose turn it is for names nobody has: the best at once, the next after
// a stagger each, and from the best again every quarter lease.
//
// trust is when the voter's own node knows the others well enough to choose among them.
func (v *voter) hints(now Instant, stagger time.Duration, trust Instant) []addressed {
	if _, silent := v.silent(now); silent {
		return nil
	}
	var out []addressed
	load := v.loads()
	for _, s := range v.all {
		if !s.hintDue(now) {
			continue
		}
		load.count(s, -1)
		field := v.candidates
		if now < v.homesUntil && !s.last.Known() {
			field = v.cleanHome
		}
		if h, ok := v.turn(now, s, field(now, s, load), stagger, trust); ok {
			s.named = h.to
			out = append(out, h)
		}
		load.count(s, 1)
	}
	return out
}

// hintDue reports whether hints would look for candidates at all.
func (v *voter) hintDue(now Instant) bool {
	return !v.benched && slices.ContainsFunc(v.all, func(s *slot) bool { return s.hintDue(now) })
}

func (s *slot) hintDue(now Instant) bool {
	return s.free() && now >= s.nextHint && s.vip.Name != HandbackSlot
}

// turn picks the candidate whose turn it is and sets the time of the next.
func (v *voter) turn(now Instant, s *slot, field []candidate, stagger time.Duration, trust Instant) (addressed, bool) {
	hint := v.hint(now, s)
	if !slices.ContainsFunc(field, candidate.placeable) {
		s.starve(now)
		s.hintRank, s.nextHint = 0, now.Add(v.lease/4)
		if len(field) == 0 || now.Sub(s.noCleanSince) < 2*v.lease {
			return addressed{}, false
		}
		hint.Tainted = true
		node, ok := v.taintedTurn(now, s, field)
		return addressed{node, hint}, ok
	}
	placeable := slices.DeleteFunc(field, func(c candidate) bool { return !c.placeable() })
	next := best(s.vip, placeable)
	if at := s.gather(now, trust, Heartbeat(v.lease)*3/2, next); at > now {
		s.nextHint = at
		return addressed{}, false
	}
	if s.hintRank > 0 {
		next = rank(s.vip, placeable)[min(s.hintRank, len(placeable)-1)]
	}
	s.hintRank++
	s.nextHint = now.Add(stagger)
	if next.continues && !next.holds { // one that holds is dead, or has the other voters' word, which keeps others from claiming
		s.nextHint = now.Add(v.lease / 4) // worth a wait: any other would cost its cache
	}
	if s.hintRank >= len(placeable) {
		s.hintRank, s.nextHint = 0, now.Add(v.lease/4)
	}
	return addressed{next.node, hint}, true
}

// taintedFor is how long a tainted node is named at first before the next one is: longer than a restart takes.
const taintedFor = 10 * restartGrace

// taintedTurn picks, where no candidate is placeable, whose turn it is to give a cache up: the best, and then the others, since it
// may have no way to. Turns get longer, so that voters who began to look at different times come to name the same one. It
// picks nobody while a node is at its proof already: a second cache would be lost for nothing.
func (v *voter) taintedTurn(now Instant, s *slot, field []candidate) (node string, ok bool) {
	if v.proving(now, s) {
		return "", false
	}
	turn := bits.Len64(uint64(now.Sub(s.noCleanSince.Add(2*v.lease)) / taintedFor))
	ranked := rank(s.vip, field)
	s.asked, s.askedAt = ranked[turn%len(ranked)].node, now
	return s.asked, true
}

// proving reports whether a live node says that it is being flushed or restarted for a VIP, or was asked to a short time ago
// and has its memcached down.
func (v *voter) proving(now Instant, s *slot) bool {
	return slices.ContainsFunc(v.known, func(h *neighbour) bool {
		if now.Sub(h.at) >= h.alive {
			return false
		}
		switch h.account(v.names).standing(s.no) {
		case InstanceFlushing:
			return true
		case InstanceDown:
			return h.state.Node == s.asked && now.Sub(s.askedAt) < taintedFor
		default:
			return false
		}
	})
}

// starve notes that no placeable candidate is left.
func (s *slot) starve(now Instant) {
	s.placeableSince = 0
	if s.noCleanSince == 0 {
		s.noCleanSince, s.asked = now, ""
	}
}

// gather returns when the ranking may be acted on. When candidates show up again after there were
// none, or when the voter's own node has just found the others again, the first to speak need not be the
// best: the others get the time to be heard, so that the node that can continue does, and its cache is kept.
func (s *slot) gather(now, trust Instant, patience time.Duration, best candidate) Instant {
	if s.placeableSince == 0 {
		s.placeableSince = now
	}
	at := trust
	if s.noCleanSince != 0 {
		at = max(at, s.placeableSince.Add(patience))
	}
	if best.continues || !s.last.Known() && best.node == s.vip.Home {
		at = now
	}
	if at <= now {
		s.noCleanSince = 0
	}
	return at
}

// heardFrom makes a free name due for a hint when a candidate has just spoken: a VIP without grant
// and reservation counts as run out.
// It reports whether it did.
func (v *voter) heardFrom(now Instant, node string) (due bool) {
	h := v.node(node)
	if h.at != now {
		return false
	}
	for _, s := range v.all {
		if !s.free() || s.nextHint <= now || s.vip.Name == HandbackSlot {
			continue
		}
		if s.noCleanSince == 0 {
			continue
		}
		if c, ok := h.account(v.names).rate(s.vip, s.no, s.last); ok && c.placeable() && s.awaits(c) {
			s.hintNow(now)
			due = true
		}
	}
	return due
}

// awaits reports whether a candidate that shows up changes when the ranking is acted on; see gather.
func (s *slot) awaits(c candidate) bool {
	return s.placeableSince == 0 || c.continues || !s.last.Known() && c.node == s.vip.Home
}

// wake sets the alarm for when the voter has something to do next.
func (v *voter) wake(a *alarm) {
	silent := a.now < v.silentUntil
	if silent {
		a.set(v.silentUntil)
	}
	for _, s := range v.all {
		switch {
		case s.grant.given():
			a.set(s.grant.expires)
		case s.reserved.given():
			a.set(s.reserved.until)
		case s.vip.Name != HandbackSlot && !silent && !v.benched:
			a.set(s.nextHint)
		}
	}
}
