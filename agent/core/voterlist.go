package core

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// voterLists is which voters count. A configured change takes effect one addition or removal at a
// time, and only once every voter of the list in force has reported that very list (F13).
type voterLists struct {
	inForce  []string
	digest   uint64 // of inForce; see goBy
	previous uint64 // digest of the list before
	wanted   []string
	next     *nextList // being written; takes effect once it is in the file
	agreed   Instant   // since when every voter in force has reported that list and forgotten the one before; zero: not all
	problem  string    // why the configured list is not taken, in words
}

// nextList is what a voter list is about to become. What this node says of its list is what others rely on for their
// own next step, so it is said, and acted on, only when it would survive a restart (F13).
type nextList struct {
	voters   []string
	previous uint64
	in       uint64 // the save that holds it
}

// digestOf names a list of voters, sorted.
func digestOf(voters []string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(voters, "\x00")))
	return mix(h.Sum64())
}

// newVoterLists compares the configured list with the one this node last went by.
func newVoterLists(cfg Config, d Durable) voterLists {
	ls := voterLists{previous: d.PreviousVoters, wanted: cfg.Voters}
	if ls.goBy(d.Voters); len(d.Voters) == 0 {
		ls.goBy(cfg.Voters)
	}
	if ls.problem = VotersApart(ls.inForce, ls.wanted); ls.problem != "" {
		ls.wanted = ls.inForce
	}
	return ls
}

// VotersApart says in words why a node does not go on from the voters that it goes by to those that are configured; "" if
// it does, or goes by none.
func VotersApart(inForce, wanted []string) string {
	n := distance(inForce, wanted)
	if n <= 1 || len(inForce) == 0 {
		return ""
	}
	return fmt.Sprintf("configured voters %s differ from those in force %s by %d; add or remove one at a time",
		strings.Join(wanted, ","), strings.Join(inForce, ","), n)
}

// distance counts additions and removals between two lists; a replacement is two.
func distance(a, b []string) int {
	n := 0
	for _, x := range a {
		if !slices.Contains(b, x) {
			n++
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			n++
		}
	}
	return n
}

// goBy puts a list in force.
func (ls *voterLists) goBy(voters []string) { ls.inForce, ls.digest = voters, digestOf(voters) }

func (ls *voterLists) id() ListID { return ListID{ls.digest, ls.previous} }

// votes reports whether a node is a voter now or is about to become one.
func (ls *voterLists) votes(node string) bool {
	return slices.Contains(ls.inForce, node) || slices.Contains(ls.wanted, node)
}

// adoptVoterList goes on to the configured list. First this node forgets the list before the one in
// force, so that its voter refuses stragglers on that one; then it waits until every voter in force has
// reported the list in force and has forgotten likewise (or has already gone on, or is named as switched
// off), and one longest lease more, so that no grant to a straggler is left (F13).
func (m *Machine) adoptVoterList() {
	ls := &m.lists
	switch {
	case ls.next != nil:
		m.goByNext()
		return
	case slices.Equal(ls.inForce, ls.wanted):
		return
	case ls.previous != 0:
		m.writeNext(ls.inForce, 0)
		return
	}
	switch {
	case slices.ContainsFunc(ls.inForce, func(v string) bool { return !m.agrees(v) }):
		ls.agreed = 0
		return
	case ls.agreed == 0:
		ls.agreed = m.now
	}
	if m.now < ls.agreed.Add(m.cfg.grow(LeaseMax)) {
		return
	}
	m.writeNext(ls.wanted, ls.digest)
}

// writeNext has the next list written.
func (m *Machine) writeNext(voters []string, previous uint64) {
	m.journal.dirty = true
	m.lists.next = &nextList{voters, previous, m.pendingSave()}
}

// goByNext puts the next list in force once it is in the file.
func (m *Machine) goByNext() {
	ls, next := &m.lists, m.lists.next
	if m.journal.saved < next.in {
		return
	}
	ls.next, ls.previous = nil, next.previous
	if slices.Equal(ls.inForce, next.voters) {
		return
	}
	m.emit(Transition{From: strings.Join(ls.inForce, ","), To: strings.Join(next.voters, ","), Cause: CauseVoterList})
	ls.goBy(next.voters)
	m.seatVoters()
	for _, l := range m.all {
		l.claims = nil // a majority of one list is none of another
	}
	m.nextBeat = m.now
}

// agrees reports whether a voter in force grants to nobody on the list before it: it has reported
// that very list without one before it, or has gone on from it, or has come up without a state and so with
// nothing but the list that is wanted; or is named as switched off.
func (m *Machine) agrees(voter string) bool {
	have, wanted := m.lists.id().Digest, digestOf(m.lists.wanted)
	list := m.reportedList(voter)
	stays := list == ListID{Digest: have}
	gone := list.Previous == have || list.Digest == wanted
	return stays || gone || slices.Contains(m.cfg.VotersOff, voter)
}

// voterChange is what a status says of the configured list while that is not in force; nil: it is.
func (m *Machine) voterChange() *VoterChange {
	ls := &m.lists
	switch {
	case ls.problem != "":
		return &VoterChange{Refused: ls.problem}
	case slices.Equal(ls.inForce, ls.wanted):
		return nil
	}
	c := &VoterChange{From: slices.Clone(ls.inForce), To: slices.Clone(ls.wanted)}
	for _, v := range ls.inForce {
		if !m.agrees(v) {
			c.WaitsFor = append(c.WaitsFor, v)
		}
	}
	return c
}

// reportedList is the list that a voter last said it goes by: in an answer, or in what it says of itself,
// since one that the wanted list removes may come up again without a vote. Zero if it has said nothing.
func (m *Machine) reportedList(voter string) ListID {
	if voter == m.cfg.Node {
		return m.lists.id()
	}
	p, said := m.peer(voter), m.states[voter]
	if said != nil && said.at > p.viewedAt {
		return said.state.List
	}
	return p.list
}
