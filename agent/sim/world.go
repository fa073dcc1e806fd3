package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"memvip/agent/core"
)

// World is one cluster with its network, disks, memcacheds and clients. Everything that happens in it
// follows from a Plan: real time, in nanoseconds, is a number that tasks move on.
type World struct {
	shape  Shape
	now    int64
	tasks  queue
	random *rand.Rand
	hosts  []*host // as made; a clone is the last
	byName map[string][]*host
	voters []string // as configured, by the operator's last word
	lease  time.Duration
	// An operator's change of the voter list: what was in force before, and whether it was a mistake.
	listBefore         uint64
	changing, mistaken bool
	rolled             int64 // when the last host has its new configuration file
	vips               []*vip
	names              map[core.Name]int
	clients            []*client
	stranger           *host // whom clients believe a VIP at that a foreign host has
	net                network
	trace              io.Writer // nil: none
	broken             *Violation
	seen               Seen
	mended             bool
	spare              *host // stays dead when the other faults end; nil: none
	ownUse             bool  // somebody used a host's own address
}

// vip is one service address as an onlooker sees it.
type vip struct {
	name core.Name
	home *host
	keys []key

	tenure   int     // counts the times its address came up anywhere
	unserved int64   // since when no host answers; -1 while one does
	worst    int64   // longest time without one since last asked
	atHome   bool    // its home serves it
	lost     int     // times its home ceased to
	removed  []int64 // when other hands took it from its host
	renewed  int64   // when a renewal of its lease was last sent or arrived
}

// Violation is a promise that was broken.
type Violation struct {
	Rule string // which, as in the list of doc.go
	At   time.Duration
	What string
}

func (v Violation) String() string {
	return fmt.Sprintf("%.6fs %s: %s", v.At.Seconds(), v.Rule, v.What)
}

// Seen counts what happened, so that a run in which nothing did is not taken for a proof.
type Seen struct {
	Time                                time.Duration
	Steps, Packets                      int
	Operations, Hits, Misses, Failures  int
	Moves, Flushes, Restarts, Handbacks int
	Served, Home                        time.Duration // after the last fault: until all VIPs were served, and at home
}

// Add sums up, but for Served and Home, of which the longest counts.
func (s *Seen) Add(o Seen) {
	s.Time += o.Time
	s.Steps += o.Steps
	s.Packets += o.Packets
	s.Operations += o.Operations
	s.Hits += o.Hits
	s.Misses += o.Misses
	s.Failures += o.Failures
	s.Moves += o.Moves
	s.Flushes += o.Flushes
	s.Restarts += o.Restarts
	s.Handbacks += o.Handbacks
	s.Served, s.Home = max(s.Served, o.Served), max(s.Home, o.Home)
}

func newWorld(p Plan, trace io.Writer) *World {
	w := &World{
		shape: p.Shape, random: rand.New(rand.NewPCG(p.Seed, 2)), byName: map[string][]*host{},
		names: map[core.Name]int{}, trace: trace, lease: p.Shape.Lease,
	}
	w.note("%s", p.Shape)
	var names []string
	for i := range p.Shape.Nodes {
		names = append(names, fmt.Sprintf("n%d", i+1))
	}
	for i := range p.Shape.Witnesses {
		names = append(names, fmt.Sprintf("w%d", i+1))
	}
	w.voters = slices.Clone(names[p.Shape.hosts()-p.Shape.Voters:]) // so that n1, home of the first VIP, need not vote
	slices.Sort(w.voters)
	for i, n := range names {
		w.addHost(n, i >= p.Shape.Nodes)
	}
	for i := range p.Shape.VIPs {
		v := &vip{name: core.Name(fmt.Sprintf("v%02d", i+1)), home: w.hosts[i%p.Shape.Nodes], keys: newKeys()}
		w.names[v.name] = i
		w.vips = append(w.vips, v)
	}
	for _, h := range w.hosts {
		h.furnish()
	}
	w.stranger = &host{World: w, id: len(w.hosts), name: "stranger", on: true, nic: true, addresses: make([]address, len(w.vips))}
	w.net = newNetwork(p.Shape.Net, len(w.hosts)+1)
	for i := range clients {
		w.clients = append(w.clients, newClient(w, i))
	}
	return w
}

// ms and friends keep the times of the world readable.
const (
	us = int64(time.Microsecond)
	ms = int64(time.Millisecond)
	s  = int64(time.Second)
)

// between draws a time.
func (w *World) between(low, high int64) int64 { return low + w.random.Int64N(high-low+1) }

func (w *World) after(d int64, do func()) { w.tasks.push(w.now+d, do) }

// until lets time pass, or stops where a promise is broken.
func (w *World) until(end int64) {
	for !w.tasks.empty() && w.tasks.next() <= end && w.broken == nil {
		t := w.tasks.pop()
		w.now = t.at
		t.do()
	}
	if w.broken == nil {
		w.now = end
	}
}

func (w *World) fail(rule, format string, args ...any) {
	if w.broken == nil {
		w.broken = &Violation{rule, time.Duration(w.now), fmt.Sprintf(format, args...)}
		w.note("BROKEN %s: %s", rule, w.broken.What)
	}
}

// note writes a line of the trace.
func (w *World) note(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%12.6fs ", time.Duration(w.now).Seconds())
		fmt.Fprintf(w.trace, format, args...)
		fmt.Fprintln(w.trace)
	}
}

func (w *World) boot() {
	for _, h := range w.hosts {
		w.after(w.between(0, 300*ms), h.start)
	}
	for _, c := range w.clients {
		for v := range w.vips {
			w.after(w.between(0, opPeriod), func() { c.tick(v) })
		}
	}
}
