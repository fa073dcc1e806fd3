package core

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// candidate is a node that may take a VIP, as far as its own word and the ranker's clock go.
type candidate struct {
	node      string
	clean     bool
	continues bool // its last service of the VIP is the VIP's last term: continuity will tell
	owesProof bool // home of an absent VIP and still tainted for it: better left without guests
	held      int
}

// placeable reports whether a candidate could serve right away: a tainted one never claims.
func (c candidate) placeable() bool { return c.clean || c.continues }

// rate turns a node's state into a candidate for vip, or reports that it is none.
// homes says who is home of what.
func rate(vip VIP, last Term, s NodeState, homes []VIP) (candidate, bool) {
	v, ok := s.vip(vip.Name)
	if !ok || v.Standing != Eligible || !s.Quorate {
		return candidate{}, false
	}
	c := candidate{
		node:      s.Node,
		clean:     v.Clean,
		continues: last.Known() && v.Served == last,
		held:      s.held(),
	}
	for _, h := range homes {
		if h.Home != s.Node || h.Name == vip.Name {
			continue
		}
		if own, ok := s.vip(h.Name); ok && own.Role == Idle && !own.Clean {
			c.owesProof = true
		}
	}
	return c, true
}

// compareCandidates orders by who should have the VIP (DESIGN section 5): the node that may continue,
// the home if clean, clean before tainted, those that owe a proof of their own VIP last among the
// clean, fewer VIPs held, then a hash that spreads VIPs evenly and moves few of them.
func compareCandidates(vip VIP, a, b candidate) int {
	home := func(c candidate) bool { return c.clean && c.node == vip.Home }
	return cmp.Or(
		first(a.continues, b.continues),
		first(home(a), home(b)),
		first(a.clean, b.clean),
		first(!a.owesProof, !b.owesProof),
		cmp.Compare(a.held, b.held),
		cmp.Compare(rendezvous(vip.Name, b.node), rendezvous(vip.Name, a.node)),
		cmp.Compare(a.node, b.node),
	)
}

// rank sorts candidates, the best first.
func rank(vip VIP, cs []candidate) []candidate {
	slices.SortFunc(cs, func(a, b candidate) int { return compareCandidates(vip, a, b) })
	return cs
}

// first orders those for whom a property holds before those for whom it does not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// rendezvous is the highest-random-weight hash of a VIP and a node.
func rendezvous(name Name, node string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(node))
	return mix(h.Sum64())
}

// mix spreads every input bit over all output bits (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// entropy yields the numbers that a life of the agent draws, all from the seed it was started with.
type entropy struct{ state uint64 }

// draw returns the next number, never zero.
func (e *entropy) draw() uint64 {
	e.state += 0x9e3779b97f4a7c15
	if x := mix(e.state); x != 0 {
		return x
	}
	return e.draw()
}
