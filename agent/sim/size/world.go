package size

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"memvip/agent/core"
)

// World is one cluster. It is owned by one goroutine, which stays on its thread so that processor time can be read.
type World struct {
	shape  Shape
	now    int64 // since it began, ns
	queue  queue
	random *rand.Rand
	nodes  []*node
	byName map[string]*node
	vips   []core.VIP
	where  map[core.Name]place
	home   int // VIPs that are up at their homes
	weigh  scales
}

// place is where a VIP is up, and since when.
type place struct {
	on *node
	at int64
}

// New makes a cluster whose agents start within the first 300 ms.
func New(s Shape) (*World, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	w := &World{
		shape: s, random: rand.New(rand.NewPCG(s.Seed, 1)), byName: map[string]*node{}, vips: s.vips(), where: map[core.Name]place{},
	}
	for i := range s.Nodes {
		n := &node{w: w, name: nameOf(i), voter: i < s.Voters}
		w.nodes, w.byName[n.name] = append(w.nodes, n), n
	}
	for _, n := range w.nodes {
		w.after(w.upTo(startsWithin), n.start)
	}
	return w, nil
}

// Now is how long the cluster has lived.
func (w *World) Now() time.Duration { return time.Duration(w.now) }

func (w *World) after(d time.Duration, do func()) { w.queue.add(w.now+int64(d), do) }

func (w *World) upTo(d time.Duration) time.Duration {
	return time.Duration(w.random.Int64N(int64(d) + 1))
}

// travel is how long a packet is under way.
func (w *World) travel() time.Duration { return w.shape.Costs.Packet + w.upTo(w.shape.Costs.Jitter) }

// until lets time pass until a condition holds, but no longer than to the limit. It reports whether it held.
func (w *World) until(limit time.Duration, holds func() bool) bool {
	end := w.now + int64(limit)
	for !holds() {
		if !w.queue.before(end) {
			w.now = end
			return false
		}
		e := w.queue.next()
		w.now = e.at
		e.do()
	}
	return true
}

// Pass lets time pass.
func (w *World) Pass(d time.Duration) { w.until(d, func() bool { return false }) }

// ErrNotInTime is wrapped by the error of what did not come about within its limit.
var ErrNotInTime = errors.New("not in time")

// Settle lets time pass until every VIP is up at its home, and returns how long that took.
func (w *World) Settle(limit time.Duration) (time.Duration, error) {
	from := w.now
	if !w.until(limit, func() bool { return w.home == len(w.vips) }) {
		return 0, fmt.Errorf("size: %d of %d VIPs at home after %s: %w", w.home, len(w.vips), limit, ErrNotInTime)
	}
	return time.Duration(w.now - from), nil
}

// raise puts a VIP up on a node.
func (w *World) raise(name core.Name, n *node) {
	w.lower(name, w.where[name].on)
	w.where[name] = place{n, w.now}
	w.home += w.atHome(name)
}

// lower takes a VIP down if it is up on that node.
func (w *World) lower(name core.Name, n *node) {
	if n != nil && w.where[name].on == n {
		w.home -= w.atHome(name)
		delete(w.where, name)
	}
}

// atHome is 1 if a VIP is up at its home.
func (w *World) atHome(name core.Name) int {
	if at := w.where[name]; at.on != nil && at.on.homeOf(name) {
		return 1
	}
	return 0
}
