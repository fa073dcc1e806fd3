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
	previous uint64 // digest of the list before
	wanted   []string
	problem  string // why the configured list is not taken, in words
}

// digestOf names a list of voters, sorted.
func digestOf(voters []string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(voters, "\x00")))
	return mix(h.Sum64())
}

// newVoterLists compares the configured list with the one this node last went by.
func newVoterLists(cfg Config, d Durable) voterLists {
	ls := voterLists{inForce: d.Voters, previous: d.PreviousVoters, wanted: cfg.Voters}
	if len(d.Voters) == 0 {
		ls.inForce = cfg.Voters
	}
	if n := distance(ls.inForce, ls.wanted); n > 1 {
		ls.problem = fmt.Sprintf("configured voters %v differ from those in force %v by %d; add or remove one at a time",
			ls.wanted, ls.inForce, n)
		ls.wanted = ls.inForce
	}
	return ls
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

func (ls *voterLists) id() ListID { return ListID{digestOf(ls.inForce), ls.previous} }

// votes reports whether a node is a voter now or is about to become one.
func (ls *voterLists) votes(node string) bool {
	return slices.Contains(ls.inForce, node) || slices.Contains(ls.wanted, node)
}

// adoptVoterList goes on to the configured list when every voter of the list in force has reported
// it, or has already gone on, or is named as switched off.
func (m *Machine) adoptVoterList() {
	ls := &m.lists
	if slices.Equal(ls.inForce, ls.wanted) {
		return
	}
	have := ls.id().Digest
	for _, v := range ls.inForce {
		if p := m.peer(v); !slices.Contains(m.cfg.VotersOff, v) && (!p.heard || p.list.Digest != have && p.list.Previous != have) {
			return
		}
	}
	m.emit(Transition{From: strings.Join(ls.inForce, ","), To: strings.Join(ls.wanted, ","), Cause: CauseVoterList})
	ls.previous, ls.inForce = have, ls.wanted
	m.journal.dirty = true
}
