package history

import (
	"maps"
	"slices"
)

// order is what rules 1 and 2 of Merge say of entries: a graph whose points are the entries and, between
// the entries of one epoch of a VIP and those of the next, a gate. A gate stands for a step from each of
// the former to each of the latter.
type order struct {
	entries []Entry // sorted by compare, so that a node's are in a row
	after   [][]int // by point: the points that one step leads to; gates come after the entries
	knotOf  []int   // by point: the knot it is in
	knots   [][]int // the points of each: those that can be reached from each other; mostly a single one
}

func newOrder(entries []Entry) *order {
	o := &order{entries: entries, after: make([][]int, len(entries))}
	for i := 1; i < len(entries); i++ {
		if entries[i-1].Node == entries[i].Node {
			o.step(i-1, i)
		}
	}
	for _, epochs := range epochsOf(entries) {
		o.orderEpochs(epochs)
	}
	o.findKnots()
	return o
}

func (o *order) step(from, to int) { o.after[from] = append(o.after[from], to) }

// epochsOf returns the entries of each epoch of each VIP.
func epochsOf(entries []Entry) map[string]map[uint64][]int {
	vips := map[string]map[uint64][]int{}
	for i, e := range entries {
		if e.VIP == "" || e.Epoch == 0 {
			continue
		}
		if vips[e.VIP] == nil {
			vips[e.VIP] = map[uint64][]int{}
		}
		vips[e.VIP][e.Epoch] = append(vips[e.VIP][e.Epoch], i)
	}
	return vips
}

// orderEpochs puts a gate between each epoch of a VIP and the next that there are entries of.
func (o *order) orderEpochs(epochs map[uint64][]int) {
	inOrder := slices.Sorted(maps.Keys(epochs))
	for i := 1; i < len(inOrder); i++ {
		gate := len(o.after)
		o.after = append(o.after, nil)
		for _, before := range epochs[inOrder[i-1]] {
			o.step(before, gate)
		}
		for _, after := range epochs[inOrder[i]] {
			o.step(gate, after)
		}
	}
}

// search is Tarjan's: one walk over the graph that finds every knot.
type search struct {
	*order
	reached int   // how many points were
	seen    []int // by point: the how manieth it was to be reached, from 1; 0: not yet
	lowest  []int // by point: the earliest reached that it is known to lead back to
	open    []int // reached, and not yet in a knot
}

func (o *order) findKnots() {
	n := len(o.after)
	o.knotOf = slices.Repeat([]int{-1}, n) // in none yet
	s := &search{order: o, seen: make([]int, n), lowest: make([]int, n)}
	for point := range n {
		if s.seen[point] == 0 {
			s.visit(point)
		}
	}
}

// visit walks on from a point. It goes as deep as a path is long, for which Go's stacks have room.
func (s *search) visit(point int) {
	s.reached++
	s.seen[point], s.lowest[point] = s.reached, s.reached
	s.open = append(s.open, point)
	for _, next := range s.after[point] {
		switch {
		case s.seen[next] == 0:
			s.visit(next)
			s.lowest[point] = min(s.lowest[point], s.lowest[next])
		case s.knotOf[next] < 0:
			s.lowest[point] = min(s.lowest[point], s.seen[next])
		}
	}
	if s.lowest[point] == s.seen[point] {
		s.close(point)
	}
}

// close makes a knot of everything that is open since a point was reached.
func (s *search) close(point int) {
	begin := len(s.open) - 1
	for s.open[begin] != point {
		begin--
	}
	members := slices.Clone(s.open[begin:])
	for _, m := range members {
		s.knotOf[m] = len(s.knots)
	}
	s.knots = append(s.knots, members)
	s.open = s.open[:begin]
}
