package core

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkStep drives whole clusters in steady state: every VIP at home, every node a voter, nothing but
// renewals, their answers, gossip and wake-ups. One operation is one Step of one machine; what the loop
// around them costs is in it, and is small. The figure sim-s/s says how many seconds of such a cluster's
// life one second of this machine decides.
func BenchmarkStep(b *testing.B) {
	for _, instances := range []string{"shared", "own"} {
		for _, nodes := range []int{3, 5, 9} {
			b.Run(fmt.Sprintf("nodes=%d/instances=%s", nodes, instances), func(b *testing.B) {
				c := newCarousel(nodes, instances == "shared")
				c.untilHome(b)
				from := c.now
				b.ReportAllocs()
				for b.Loop() {
					c.next()
				}
				b.ReportMetric(c.now.Sub(from).Seconds()/b.Elapsed().Seconds(), "sim-s/s")
			})
		}
	}
}

// carousel is the leanest world in which a cluster can live: everything arrives after one and the same
// delay, so that a first-in-first-out queue keeps the order of time.
type carousel struct {
	now    Instant
	nodes  []*rider
	byName map[string]*rider
	queue  []delivery
	first  int // of queue, not delivered yet
}

// rider is one machine, and when it wants to be woken.
type rider struct {
	m      *Machine
	name   string
	wakeAt Instant
}

// delivery is an event on its way to a machine.
type delivery struct {
	at Instant
	to *rider
	ev Event
}

const carouselDelay = 100 * time.Microsecond

func newCarousel(n int, shared bool) *carousel {
	var names []string
	var vips []VIP
	for i := range n {
		names = append(names, fmt.Sprintf("n%d", i+1))
		v := VIP{Name: Name(fmt.Sprintf("192.0.2.%d", i+1)), Home: names[i], Instance: "127.0.0.1:11211", FailbackDelay: time.Millisecond}
		if !shared {
			v.Instance = fmt.Sprintf("127.0.0.1:%d", 11211+i)
		}
		vips = append(vips, v)
	}
	c := &carousel{now: 1, byName: map[string]*rider{}}
	for i, name := range names {
		r := &rider{name: name, wakeAt: never, m: New(Config{
			Node: name, Voters: names, Nodes: names, VIPs: vips, Lease: 600 * time.Millisecond, DriftPPM: DefaultDriftPPM, Margin: MarginMin,
		})}
		if i > 0 {
			c.until(c.now.Add(7 * time.Millisecond)) // heartbeats of different nodes do not coincide
		}
		c.nodes = append(c.nodes, r)
		c.byName[name] = r
		c.step(r, Started{Boot: "boot", Entropy: uint64(i + 1), Valid: true})
		for in := range r.m.instances {
			c.step(r, InstanceUp{Instance: in, Figures: Proof{Incarnation: Incarnation{PID: 100, Start: 1}, Restart: true}})
		}
	}
	return c
}

// untilHome lets time pass until every VIP is held by its home, and a while longer.
func (c *carousel) untilHome(b testing.TB) {
	limit := c.now.Add(time.Minute)
	for home := 0; home < len(c.nodes); {
		if c.now > limit {
			b.Fatalf("after a minute %d of %d VIPs are at home", home, len(c.nodes))
		}
		c.next()
		home = 0
		for _, r := range c.nodes {
			for _, v := range r.m.cfg.VIPs {
				if v.Home == r.name && r.m.leases[v.Name].role == Holding {
					home++
				}
			}
		}
	}
	c.until(c.now.Add(2 * packetAge))
}

func (c *carousel) until(end Instant) {
	for c.now < end {
		c.next()
	}
}

// next carries out the one step that is due first.
func (c *carousel) next() {
	var first *rider
	for _, r := range c.nodes {
		if first == nil || r.wakeAt < first.wakeAt {
			first = r
		}
	}
	if c.first < len(c.queue) && c.queue[c.first].at <= first.wakeAt {
		d := c.queue[c.first]
		c.queue[c.first] = delivery{}
		if c.first++; c.first == len(c.queue) {
			c.queue, c.first = c.queue[:0], 0
		}
		c.now = d.at
		c.step(d.to, d.ev)
		return
	}
	c.now, first.wakeAt = first.wakeAt, never
	c.step(first, Tick{})
}

// step feeds a machine and carries out what it orders: everything succeeds.
func (c *carousel) step(r *rider, ev Event) {
	for _, e := range r.m.Step(c.now, ev) {
		switch e := e.(type) {
		case Send:
			c.send(c.byName[e.To], Received{Source: r.name, Msg: e.Msg})
		case PublishState:
			for _, o := range c.nodes {
				if o != r {
					c.send(o, StateHeard(e))
				}
			}
		case WakeAt:
			r.wakeAt = e.At
		case SaveState:
			c.send(r, StateSaved{e.Seq})
		case CheckInstance:
			c.send(r, InstanceChecked{Instance: e.Instance, Name: e.Name, Number: e.Number, Proof: e.Proof})
		case TakeAddress:
			c.send(r, AddressUp{e.Name, e.Term})
		case DropAddress:
			c.send(r, AddressDown{Name: e.Name})
		case WatchQuiet:
			c.send(r, InstanceQuiet(e))
		case FlushInstance:
			c.send(r, FlushDone{e.Instance, e.Attempt, Proof{Incarnation: Incarnation{PID: 100, Start: 1}, TotalItems: 1}})
		case ProlongAddress, StopWatch, RestartInstance, Transition, Exit:
		}
	}
}

func (c *carousel) send(to *rider, ev Event) {
	if to == nil { // not started yet
		return
	}
	c.queue = append(c.queue, delivery{c.now.Add(carouselDelay), to, ev})
}
