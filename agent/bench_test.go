package agent

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"memvip/agent/core"
	"memvip/agent/gossip"
	"memvip/agent/nowait"
	"memvip/flush"
	"memvip/vip"
)

// BenchmarkHeartbeat is a cluster of three in steady state, each node with a VIP: real loops, machines, workers and codec;
// the network is a queue, the kernel and memcached agree with everything. One operation is one heartbeat of every
// node: three ticks, six claims, six answers, three renewals. An agent's share is a third.
func BenchmarkHeartbeat(b *testing.B) {
	c := newRound(b)
	c.untilHeld(b)
	b.ReportAllocs()
	for b.Loop() {
		c.heartbeat()
	}
	for _, n := range c.nodes {
		if n.prolonged.Load() == 0 {
			b.Errorf("%s renewed nothing", n.name)
		}
	}
}

// TestHeartbeatAllocations bounds what such a round costs in memory. Three quarters of it are the messages, which those
// who hear them keep, and the frames that they travel in; the rest is what the machine says and orders.
func TestHeartbeatAllocations(t *testing.T) {
	c := newRound(t)
	c.untilHeld(t)
	if n := testing.AllocsPerRun(100, c.heartbeat); n > 450 {
		t.Errorf("a heartbeat of three nodes makes %v allocations, want 450 at most", n)
	}
}

// heartbeat is one of each node.
func (c *round) heartbeat() {
	for beats := c.nodes[0].beats; c.nodes[0].beats == beats; {
		c.next()
	}
}

// round is such a cluster. All of it but the workers runs on the benchmark's goroutine.
type round struct {
	now   atomic.Int64 // a core.Instant, the same for all
	nodes []*roundNode
	queue []roundPacket // in flight, in order
}

// roundDelay is how long a packet travels.
const roundDelay = 100 * time.Microsecond

type roundPacket struct {
	at    core.Instant
	to    *roundNode
	from  string
	frame []byte
}

type roundNode struct {
	*loop
	*core.Machine
	round *round
	name  string

	wakeAt    core.Instant
	pending   int // orders that will be answered, and are not yet
	beats     int // heartbeats begun
	held      map[core.Name]bool
	prolonged atomic.Int64
}

func newRound(b testing.TB) *round {
	c := &round{}
	c.now.Store(1)
	names := []string{"n1", "n2", "n3"}
	var vips []core.VIP
	places := map[core.Name]vip.Address{}
	for i, home := range names {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 32)
		vips = append(vips, core.VIP{Name: core.Name(prefix.Addr().String()), Home: home, Instance: mc, FailbackDelay: time.Millisecond})
		places[vips[i].Name] = vip.Address{Prefix: prefix, Link: "eth0"}
	}
	for i, name := range names {
		n := &roundNode{round: c, name: name, held: map[core.Name]bool{}}
		n.Machine = core.New(core.Config{
			Node: name, Voters: names, Nodes: names, VIPs: vips, Lease: 600 * time.Millisecond, DriftPPM: core.DefaultDriftPPM, Margin: core.MarginMin,
		})
		s := shared{clock: n.clock, queue: newQueue(), diary: newDiary(nil), failed: func(err error) { b.Error(err) }}
		n.loop = &loop{
			shared: s, machine: n, store: n, net: n, history: forgetful{}, timer: nowait.NewTimer(), telling: nowait.NewTimer(),
			addresses: newAddresses(s, n, places),
			instances: newInstances(s, agreeable{}, map[string]instanceConfig{mc: {address: netip.MustParseAddrPort(mc)}}),
		}
		b.Cleanup(func() {
			n.loop.timer.Stop()
			n.loop.telling.Stop()
			n.loop.instances.finish()
			n.loop.addresses.finish()
		})
		c.nodes = append(c.nodes, n)
		n.feed(core.Started{Boot: "boot", Entropy: uint64(i + 1), Valid: true})
		n.feed(core.InstanceUp{Instance: mc, Figures: core.Proof{Incarnation: core.Incarnation{PID: 100, Start: 1}, Restart: true}})
		c.now.Add(int64(7 * time.Millisecond)) // heartbeats of different nodes do not coincide
	}
	return c
}

// untilHeld lets time pass until every node has its VIP.
func (c *round) untilHeld(b testing.TB) {
	limit := c.now.Load() + int64(time.Minute)
	for !c.nodes[0].held["192.0.2.1"] || !c.nodes[1].held["192.0.2.2"] || !c.nodes[2].held["192.0.2.3"] {
		if c.now.Load() > limit {
			b.Fatal("after a minute not every VIP is at home")
		}
		c.next()
	}
}

// next carries out what is due first.
func (c *round) next() {
	first := c.nodes[0]
	for _, n := range c.nodes {
		if n.wakeAt < first.wakeAt {
			first = n
		}
	}
	if len(c.queue) > 0 && c.queue[0].at <= first.wakeAt {
		p := c.queue[0]
		c.queue = c.queue[1:]
		c.now.Store(int64(p.at))
		p.to.hear(p)
		return
	}
	c.now.Store(int64(first.wakeAt))
	first.wakeAt = 1<<63 - 1
	first.feed(core.Tick{})
}

func (n *roundNode) hear(p roundPacket) {
	content, err := gossip.Decode(p.frame)
	if err != nil {
		panic(err)
	}
	switch v := content.(type) {
	case core.NodeState:
		n.feed(core.StateHeard{State: v})
	case core.Message:
		n.feed(core.Received{Source: p.from, Msg: v})
	}
}

// feed has the loop take an event and what comes of it.
func (n *roundNode) feed(ev core.Event) {
	n.loop.feed(ev)
	for n.pending > 0 {
		d := <-n.loop.queue.events
		n.pending--
		if d.stands == nil || d.stands() {
			n.loop.feed(d.event)
		}
	}
}

func (n *roundNode) clock() core.Instant { return core.Instant(n.round.now.Load()) }

// Step is the machine, which the loop takes to be a stranger.
func (n *roundNode) Step(now core.Instant, ev core.Event) []core.Effect {
	effects := n.Machine.Step(now, ev)
	for _, e := range effects {
		switch e := e.(type) {
		case core.WakeAt:
			n.wakeAt = e.At
		case core.TakeAddress:
			n.held[e.Name] = true
			n.pending++
		case core.DropAddress:
			delete(n.held, e.Name)
			n.pending++
		case core.CheckInstance, core.WatchQuiet, core.FlushInstance:
			n.pending++
		}
	}
	return effects
}

func (n *roundNode) Save(core.Durable) error { return nil }

func (n *roundNode) Send(to string, msg core.Message) error {
	if _, claims := msg.(core.Claim); claims && to == n.round.other(n).name {
		n.beats++
	}
	frame, err := gossip.Encode(msg)
	n.round.send(n, to, frame, err)
	return err
}

func (n *roundNode) Publish(s core.NodeState) {
	frame, err := gossip.EncodeState(s)
	for _, o := range n.round.nodes {
		if o != n {
			n.round.send(n, o.name, frame, err)
		}
	}
}

// other is one of a node's peers, always the same.
func (c *round) other(n *roundNode) *roundNode {
	if n == c.nodes[len(c.nodes)-1] {
		return c.nodes[0]
	}
	return c.nodes[len(c.nodes)-1]
}

func (c *round) send(from *roundNode, to string, frame []byte, err error) {
	if err != nil {
		panic(err)
	}
	for _, n := range c.nodes {
		if n.name == to {
			c.queue = append(c.queue, roundPacket{from.clock().Add(roundDelay), n, from.name, frame})
		}
	}
}

// The kernel.
func (n *roundNode) Take(vip.Address, vip.Lease) error { return nil }
func (n *roundNode) Prolong(vip.Address) (vip.Prolonged, error) {
	n.prolonged.Add(1)
	return vip.ProlongedNot, nil
}
func (n *roundNode) Renew(vip.Address) error                    { return nil }
func (n *roundNode) Restore(vip.Address) (vip.Prolonged, error) { return vip.ProlongedRefreshed, nil }
func (n *roundNode) RemovedBy(vip.Address) string               { return "" }
func (n *roundNode) Announce(vip.Address) error                 { return nil }
func (n *roundNode) AnnounceOnce(vip.Address) error             { return nil }
func (n *roundNode) Drop(vip.Address) (vip.Dropped, error)      { return vip.Dropped{}, nil }
func (n *roundNode) DropSeen(vip.Address) (vip.Dropped, error)  { return vip.Dropped{}, nil }
func (n *roundNode) Expel(vip.Address) (vip.Dropped, error)     { return vip.Dropped{}, nil }
func (n *roundNode) Sweep(vip.Address) (int, error)             { return 0, nil }

// agreeable is a memcached that is found as it was proved.
type agreeable struct{ realInstances }

func (agreeable) Drained(context.Context, netip.AddrPort, []netip.Addr, time.Duration) error {
	return nil
}
func (agreeable) Verify(context.Context, netip.AddrPort, flush.Certificate, bool) error { return nil }
func (agreeable) WatchQuiet(context.Context, netip.AddrPort, flush.QuietOptions) (flush.Figures, error) {
	return flush.Figures{PID: 100, Start: 1}, nil
}
func (agreeable) Prove(context.Context, netip.AddrPort, []netip.Addr, flush.Figures) (flush.Certificate, error) {
	return flush.Certificate{PID: 100, Start: 1}, nil
}
