package core

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Somebody else may say that it has a VIP's address: a host that nobody knows, or a member that let go too late.
// What a node does about it, after RFC 5227 section 2.4 (c): it counts and logs; the holder announces again;
// and a host that nobody knows keeps a free VIP free, since to take it would put two hosts on one address.

const (
	// foreignBlocks is how long after a foreign host was seen on a free VIP this node does not take it. A
	// host that is there says so more often, and to wait longer would keep the VIP down after it has gone.
	foreignBlocks = 5 * time.Second
	// defendInterval is the least time between two answers to claims of one VIP (RFC 5227's
	// DEFEND_INTERVAL), so that two who both want it do not flood the network.
	defendInterval = 10 * time.Second
	// conflictLogEvery is the least time between two lines about one VIP and MAC, and conflictMACsMax how many
	// MACs of one VIP have lines in it, or wait to be known.
	conflictLogEvery = 10 * time.Second
	conflictMACsMax  = 8
	// lastWords is how long a frame that a busy host sent or queued before it gave a VIP up may take to be heard.
	lastWords = time.Second
	// conflictTold is how long a node tells of a conflict, so that who asks once a minute hears of it.
	conflictTold = 90 * time.Second
	// introduction is how long a MAC that nobody knows may still be that of a member which this node has not heard
	// since it started, for the network is only just whole again, before it is called foreign.
	introduction = 5 * time.Second
	// macsMax MACs are told by a node, and macsKept of those it ever told are remembered.
	macsMax, macsKept = 16, 64
)

// conflict is what a node has seen of others on one VIP's address.
type conflict struct {
	mac, node string  // who claimed it last; node is "" if nobody knows the MAC
	at        Instant // when; zero: never
	sure      bool    // it is told: a member's, or called foreign

	suspects []suspect // MACs that nobody knows, not called foreign yet
	logged   []suspect // those that have had their line, and when

	unjudged     Instant // a foreign host was seen then, and whether a member held the VIP is to be asked; zero: none
	blockedUntil Instant // a foreign host was seen while no member held it

	defended Instant // the newest answer; zero: never
	owed     bool    // a claim is not answered yet
}

// suspect is a MAC that claimed a VIP, since when and how often.
type suspect struct {
	mac   string
	at    Instant
	times int
}

// addressSeen weighs somebody else's claim of a VIP's address.
func (m *Machine) addressSeen(e AddressSeen) {
	v, ok := m.vip(e.Name)
	if !ok {
		return
	}
	switch owner := m.ownerOf(e.MAC); {
	case owner == m.cfg.Node: // another card of this host
	case owner != "":
		m.memberSeen(v, suspect{e.MAC, m.now, e.Times}, owner)
	case m.someTellNone():
		m.counts["conflict_unsure"] += e.Times
	default:
		m.strangerSeen(v, e)
	}
}

// memberSeen notes that a member claims a VIP which this node holds; to all others it is no news, nor to one that has the address
// left over from an earlier life: the member may well hold it. While this node takes the VIP, and a moment longer, the last
// holder's words may still be under way: its announcement, or its answer to somebody of this host who asked. It announces itself
// at that time anyhow.
func (m *Machine) memberSeen(v *site, s suspect, owner string) {
	switch l := v.lease; {
	case l.role != Holding:
		return
	case l.role == Holding && m.now.Sub(l.holdSince) < lastWords:
		m.counts["last_words"] += s.times
		return
	}
	c := &v.conflict
	c.mac, c.node, c.at, c.sure, c.owed = s.mac, owner, s.at, true, true
	m.counts["member_conflict"] += s.times
	m.logConflict(v, s.mac, owner, CauseMemberConflict)
}

// strangerSeen takes a host that nobody knows for foreign at once, for everything but the log.
func (m *Machine) strangerSeen(v *site, e AddressSeen) {
	c := &v.conflict
	c.sure = c.sure && c.mac == e.MAC
	c.mac, c.node, c.at, c.owed = e.MAC, "", m.now, true
	if m.metEverybody() || m.now.Sub(m.started) >= m.cfg.Lease { // by when all that are alive are heard
		c.unjudged = m.now
		m.judgeForeign(v)
		m.lookAgain(v)
	}
	i := slices.IndexFunc(c.suspects, func(s suspect) bool { return s.mac == e.MAC })
	switch {
	case i >= 0:
		c.suspects[i].times += e.Times
	case len(c.suspects) < conflictMACsMax:
		c.suspects = append(c.suspects, suspect{e.MAC, m.now, e.Times})
	default:
		m.counts["conflict_unsure"] += e.Times
	}
}

// attend does what claims of a VIP are still owed.
func (m *Machine) attend(v *site) {
	m.unmask(v)
	m.judgeForeign(v)
	m.defend(v)
}

// unmask calls suspects foreign, or by the name of the member that has told the MAC meanwhile.
func (m *Machine) unmask(v *site) {
	c := &v.conflict
	if len(c.suspects) == 0 {
		return
	}
	everybody := m.metEverybody()
	c.suspects = slices.DeleteFunc(c.suspects, func(s suspect) bool {
		owner := m.ownerOf(s.mac)
		switch {
		case owner != "":
			if c.mac == s.mac {
				c.at, c.owed, c.unjudged, c.blockedUntil = 0, false, 0, 0
			}
			if owner != m.cfg.Node {
				m.memberSeen(v, s, owner)
			}
		case everybody || m.now.Sub(s.at) >= introduction:
			c.sure = c.sure || c.mac == s.mac
			m.counts["conflict"] += s.times
			m.logConflict(v, s.mac, "", CauseForeignHost)
		default:
			return false
		}
		return true
	})
}

// atHand reports whether this node has a name's address up, puts it up, or has it left over from an earlier life.
func (m *Machine) atHand(l *lease) bool {
	return l.held() || l.leftover != 0
}

// othersHold reports whether a majority of voters names another node as the holder, by what they answered to questions
// asked at an instant or later. A mere candidate is none: it has seen the same.
func (m *Machine) othersHold(l *lease, since Instant) bool {
	node, holding := m.grantedBy(l, m.now, m.majority(), since)
	return holding && node != "" && node != m.cfg.Node
}

// judgeForeign decides whether a foreign host keeps this node from taking a VIP: if no member held it when
// the host was seen. That nobody held it can be told from what a majority said before; that somebody did, only
// from what voters were asked after, since a release may have come in between.
func (m *Machine) judgeForeign(v *site) {
	c := &v.conflict
	if c.unjudged == 0 {
		return
	}
	switch {
	case m.atHand(v.lease), m.othersHold(v.lease, c.unjudged):
		c.unjudged = 0
	case m.majorityViewed(c.unjudged), m.quorate() && !m.othersHold(v.lease, 0):
		c.blockedUntil, c.unjudged = c.unjudged.Add(foreignBlocks), 0
	}
}

// majorityViewed reports whether a majority of voters has answered what was asked at an instant or later.
func (m *Machine) majorityViewed(since Instant) bool {
	n := 0
	for _, p := range m.seats {
		if p.viewed >= since {
			n++
		}
	}
	return n >= m.majority()
}

// lookAgain asks the voters at once if a foreign host waits to be judged, and no more often than they are asked anyway.
func (m *Machine) lookAgain(v *site) {
	if v.conflict.unjudged != 0 && m.now.Sub(m.lookedAgain) >= m.cfg.Lease/4 {
		m.nextBeat, m.lookedAgain = m.now, m.now
	}
}

// logConflict logs a conflict, unless that was done a moment ago or too many others were.
func (m *Machine) logConflict(v *site, mac, node string, cause Cause) {
	c := &v.conflict
	c.logged = slices.DeleteFunc(c.logged, func(s suspect) bool { return m.now.Sub(s.at) >= conflictLogEvery })
	done := slices.ContainsFunc(c.logged, func(s suspect) bool { return s.mac == mac })
	if done || len(c.logged) >= conflictMACsMax {
		return
	}
	c.logged = append(c.logged, suspect{mac: mac, at: m.now})
	role := v.lease.role.String()
	m.emit(Transition{Name: v.Name, From: role, To: role, Cause: cause, Term: v.lease.term, Peer: node, Detail: mac})
}

// defend answers what is owed an answer, as often as it may. Only a holder answers.
func (m *Machine) defend(v *site) {
	switch c := &v.conflict; {
	case !c.owed:
	case !m.atHand(v.lease):
		c.owed = false
	case v.lease.role == Holding && m.now >= c.defendAt():
		c.owed, c.defended = false, m.now
		m.emit(AnnounceAddress{Name: v.Name, Once: true})
	}
}

// defendAt is when the next answer may be given.
func (c *conflict) defendAt() Instant {
	if c.defended == 0 {
		return 0
	}
	return c.defended.Add(defendInterval)
}

// defendWake is when an answer is to be given that is owed.
func (v *site) defendWake() Instant {
	if v.conflict.owed && v.lease.role == Holding {
		return v.conflict.defendAt()
	}
	return never
}

// told returns the conflict that a node tells of at now: whose MAC it is, and how long ago it claimed the VIP.
func (c *conflict) told(now Instant) (mac, node string, ago time.Duration) {
	if c.at == 0 || now.Sub(c.at) >= conflictTold || !c.sure && now >= c.blockedUntil {
		return "", "", 0
	}
	return c.mac, c.node, now.Sub(c.at)
}

// reunited announces every VIP of this node anew: a part of the cluster is heard again that was not, so the
// network may have been split, and whoever was on the other side may believe an address elsewhere.
func (m *Machine) reunited() {
	if m.reunitedAt != 0 && m.now.Sub(m.reunitedAt) < m.cfg.Lease {
		return
	}
	m.reunitedAt = m.now
	m.announceHeld()
}

// announceHeld announces every VIP of this node anew.
func (m *Machine) announceHeld() {
	for _, v := range m.sites {
		if v.lease.role == Holding {
			m.count("announced_again")
			m.emit(AnnounceAddress{Name: v.Name})
		}
	}
}

// ownerOf returns the node that has ever told a MAC as its own, "" if none has.
func (m *Machine) ownerOf(mac string) string {
	for _, n := range slices.Sorted(maps.Keys(m.macs)) {
		if slices.Contains(m.macs[n], mac) {
			return n
		}
	}
	return ""
}

// metEverybody reports whether every other member has been heard in this life, so that each has told its MACs.
func (m *Machine) metEverybody() bool {
	return !slices.ContainsFunc(m.cfg.Nodes, func(n string) bool { return n != m.cfg.Node && m.states[n] == nil })
}

// someTellNone reports whether a member's agent is too old to tell its MACs, so that every claim might be its own.
func (m *Machine) someTellNone() bool {
	return slices.ContainsFunc(m.cfg.Nodes, func(n string) bool {
		h := m.states[n]
		return n != m.cfg.Node && h != nil && !h.state.Witness && len(m.macs[n]) == 0
	})
}

// learnMACs remembers what a node tells as its own. What it told before stays its own: a card may come back.
func (m *Machine) learnMACs(node string, macs []string) {
	known := slices.Clone(m.macs[node])
	for _, mac := range macs {
		known = slices.DeleteFunc(known, func(k string) bool { return k == mac })
		known = append(known, mac)
	}
	m.macs[node] = known[max(0, len(known)-macsKept):]
}

// ownMACs takes in which MACs the links of this host have. The first of them are told.
func (m *Machine) ownMACs(macs []string) {
	var own []string
	for _, mac := range macs {
		if mac = strings.ToLower(mac); !slices.Contains(own, mac) {
			own = append(own, mac)
		}
	}
	m.learnMACs(m.cfg.Node, own)
	m.told = slices.Sorted(slices.Values(own[:min(len(own), macsMax)]))
}
