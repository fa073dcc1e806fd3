package history

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

// Merge puts the entries of several timelines into one order. Its result holds every entry that was given
// and depends on nothing else, however they are spread over the lists. The rule:
//
//  1. A node's own entries stay in the order of their sequence numbers. This always holds.
//  2. Of one VIP, an entry of a higher epoch comes after all of lower ones, on whatever node. Entries without
//     an epoch take no part in this.
//  3. Whatever 1 and 2 leave open goes by time: of the entries that may come next, the earliest does.
//
// Rule 2 makes up for clocks: one that is wrong by minutes moves the entries of its node that no epoch ties
// to others, and no more. 1 and 2 can contradict each other: epochs begin anew after a majority of voters lost its
// state, and a node that could not remove an address tells of its old term's end when it has long taken
// another VIP from the successor. Then the two go round in a circle. What a node wrote down in a row did
// happen in that row, while an epoch says only whose turn it was; so rule 2 gives way, and that only between
// entries of which each would have to come before the other.
func Merge(lists ...[]Entry) []Entry {
	entries := slices.Concat(lists...)
	slices.SortFunc(entries, compare)
	return newOrder(entries).placed()
}

// compare orders entries by node and sequence number, and then by everything else, so that the order does
// not depend on where an entry was.
func compare(a, b Entry) int {
	return cmp.Or(
		strings.Compare(a.Node, b.Node), cmp.Compare(a.Seq, b.Seq), a.Time.Compare(b.Time), cmp.Compare(a.Start, b.Start),
		cmp.Compare(a.Kind, b.Kind), strings.Compare(a.VIP, b.VIP), strings.Compare(a.Instance, b.Instance),
		strings.Compare(a.From, b.From), strings.Compare(a.To, b.To), strings.Compare(a.Cause, b.Cause),
		strings.Compare(a.Peer, b.Peer), strings.Compare(a.Detail, b.Detail), cmp.Compare(a.Lasted, b.Lasted),
		cmp.Compare(a.Epoch, b.Epoch), strings.Compare(a.Term, b.Term), strings.Compare(a.Command, b.Command),
		strings.Compare(a.By, b.By),
	)
}

// placing is an order that is being put in a row, knot by knot as far as rules 1 and 2 say, and by time
// where they do not.
type placing struct {
	*order
	waits []int // by knot: steps into it from knots that are not yet placed entirely
	left  []int // by knot: its points that are not yet placed
	ready []int // heap of the entries that may come next
	out   []Entry
}

// placed returns the entries in their order.
func (o *order) placed() []Entry {
	p := &placing{order: o, waits: make([]int, len(o.knots)), left: make([]int, len(o.knots))}
	for from, steps := range o.after {
		p.left[o.knotOf[from]]++
		for _, to := range steps {
			if o.knotOf[from] != o.knotOf[to] {
				p.waits[o.knotOf[to]]++
			}
		}
	}
	for knot, waits := range slices.Clone(p.waits) { // a copy: placing lets more go free
		if waits == 0 {
			p.free(knot)
		}
	}
	for len(p.ready) > 0 {
		p.place(heap.Pop(p).(int))
	}
	return p.out
}

// free lets the points of a knot be placed that have none of the same knot before them on their node.
func (p *placing) free(knot int) {
	for _, point := range p.knots[knot] {
		switch {
		case point >= len(p.entries):
			p.place(point)
		case point == 0 || !p.inARow(point-1, point):
			heap.Push(p, point)
		}
	}
}

// inARow reports whether two neighbours are of one node and one knot: then only rule 1 holds between them.
func (p *placing) inARow(point, next int) bool {
	return next < len(p.entries) && p.entries[point].Node == p.entries[next].Node && p.knotOf[point] == p.knotOf[next]
}

// place puts a point into the row, and lets go free what waited for it.
func (p *placing) place(point int) {
	if point < len(p.entries) {
		p.out = append(p.out, p.entries[point])
		if p.inARow(point, point+1) {
			heap.Push(p, point+1)
		}
	}
	knot := p.knotOf[point]
	if p.left[knot]--; p.left[knot] > 0 {
		return
	}
	for _, from := range p.knots[knot] {
		for _, to := range p.after[from] {
			p.step(knot, p.knotOf[to])
		}
	}
}

// step takes a step from a knot that is placed entirely.
func (p *placing) step(from, to int) {
	if from == to {
		return
	}
	if p.waits[to]--; p.waits[to] == 0 {
		p.free(to)
	}
}

// Less, for the heap, has the earliest entry first, and of two the one whose node's name is.
func (p *placing) Less(i, j int) bool {
	a, b := p.ready[i], p.ready[j]
	return cmp.Or(p.entries[a].Time.Compare(p.entries[b].Time), cmp.Compare(a, b)) < 0
}

// Len is for the heap.
func (p *placing) Len() int { return len(p.ready) }

// Swap is for the heap.
func (p *placing) Swap(i, j int) { p.ready[i], p.ready[j] = p.ready[j], p.ready[i] }

// Push is for the heap.
func (p *placing) Push(x any) { p.ready = append(p.ready, x.(int)) }

// Pop is for the heap.
func (p *placing) Pop() any {
	last := p.ready[len(p.ready)-1]
	p.ready = p.ready[:len(p.ready)-1]
	return last
}
