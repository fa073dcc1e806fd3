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
	holds     bool // says that it still serves the VIP
	owesProof bool // home of an absent VIP and still tainted for it: better left without guests
	held      int
	weight    uint64 // the highest is preferred, where nothing else decides
}

// placeable reports whether a candidate could serve right away: a tainted one never claims.
func (c candidate) placeable() bool { return c.clean || c.continues }

// names are all names of a configuration by their numbers, which is by their order.
type names struct {
	vips []VIP // the hand-back slot has no more than its name
	no   map[Name]int
}

func numbered(vips []VIP) *names {
	ns := &names{vips: append(slices.Clone(vips), VIP{Name: HandbackSlot}), no: map[Name]int{}}
	slices.SortFunc(ns.vips, func(a, b VIP) int { return cmp.Compare(a.Name, b.Name) })
	for i, v := range ns.vips {
		ns.no[v.Name] = i
	}
	return ns
}

// account is what ranking asks of a node's state, worked out once for all names.
type account struct {
	node    string
	quorate bool
	says    []*VIPState // by number; nil: nothing of that name
	held    int         // VIPs that it holds or is taking
	owes    int         // VIPs that it is home of, that are away and that it is not proved clean for
}

func (ns *names) account(s *NodeState) *account {
	a := &account{node: s.Node, quorate: s.Quorate, says: make([]*VIPState, len(ns.vips)), held: s.held()}
	for i := range s.VIPs {
		if no, known := ns.no[s.VIPs[i].Name]; known {
			a.says[no] = &s.VIPs[i]
			if a.owed(ns.vips[no], no) {
				a.owes++
			}
		}
	}
	return a
}

// ratedState is a node's state with its account, which is replaced with it.
type ratedState struct {
	state NodeState
	sum   *account // of state; nil until it is asked for
}

func (r *ratedState) account(ns *names) *account {
	if r.sum == nil {
		r.sum = ns.account(&r.state)
	}
	return r.sum
}

// owed reports whether the node is home of a VIP that is away and that it is not proved clean for.
func (a *account) owed(vip VIP, no int) bool {
	own := a.says[no]
	return vip.Home == a.node && own != nil && own.Role == Idle && !own.Clean
}

// standing is what the node says of itself for a VIP; Excluded if it says nothing.
func (a *account) standing(no int) Standing {
	if v := a.says[no]; v != nil {
		return v.Standing
	}
	return Excluded
}

// rate turns a node's account into a candidate for a VIP, or reports that it is none.
func (a *account) rate(vip VIP, no int, last Term) (candidate, bool) {
	v := a.says[no]
	if v == nil || v.Standing != Eligible || !a.quorate {
		return candidate{}, false
	}
	others := a.owes
	if a.owed(vip, no) {
		others--
	}
	return candidate{
		node: a.node, clean: v.Clean, continues: last.Known() && v.Served == last, holds: v.Role == Holding, owesProof: others > 0,
		held: a.held, weight: rendezvous(vip.Name, a.node),
	}, true
}

// compareCandidates orders by who should have the VIP: the node that may continue,
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
		cmp.Compare(b.weight, a.weight),
		cmp.Compare(a.node, b.node),
	)
}

// rank sorts candidates, the best first.
func rank(vip VIP, cs []candidate) []candidate {
	slices.SortFunc(cs, func(a, b candidate) int { return compareCandidates(vip, a, b) })
	return cs
}

// best is the first that rank would put. To find it needs no order among the others, which is what takes long where
// there are many.
func best(vip VIP, cs []candidate) candidate {
	return slices.MinFunc(cs, func(a, b candidate) int { return compareCandidates(vip, a, b) })
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
