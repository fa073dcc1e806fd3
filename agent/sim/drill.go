package sim

import (
	"io"
	"math/rand/v2"
	"time"
)

// Drill is one fault in a cluster at rest. It asks for how long the VIP of the host that was struck is not
// served, and for how long again when that host comes back.
type Drill struct {
	Name    string
	Kind    Kind
	Promise string // the bound, in words: L the lease, p the drift bound, m the margin
	Bound   func(s Shape) time.Duration
	prepare func(s *Shape)
	upgrade bool // every agent is restarted shortly before
}

// What the world lets a step take at most, and what the bounds are made of.
const (
	mostSave   = 320 * time.Microsecond // the state file
	mostCheck  = 400 * time.Microsecond // memcached answers
	mostTake   = 600 * time.Microsecond // an address goes up
	mostDrop   = 8 * time.Millisecond   // it goes down
	mostWake   = 150 * time.Microsecond // a timer is late
	mostExit   = 4 * time.Millisecond   // the process connector
	mostNotice = 60 * time.Millisecond  // a connection's end
	mostHang   = 600 * time.Millisecond // probes without an answer
	margin     = 20 * time.Millisecond
	slack      = 2 * time.Millisecond // the least round trip that timers are set by
)

func (s Shape) oneWay() time.Duration { return s.Net.Delay + s.Net.Jitter }

// drift is what a clock within the bound makes of a lease at most.
func (s Shape) drift() time.Duration { return s.Lease / 100 }

// homes is how many VIPs the struck host is home of: each costs the others saves and claims of its own.
func (s Shape) homes() time.Duration { return time.Duration((s.VIPs + s.Nodes - 1) / s.Nodes) }

// claim is a hint, a claim and its answers, once more where the epoch was guessed too low, the saves of
// voters and node, the look at memcached, and the address.
func (s Shape) claim() time.Duration {
	return 5*s.oneWay() + s.homes()*(6*mostSave+mostTake) + mostCheck + mostWake
}

// move is a planned move: the address goes down, the release reaches a majority, the successor claims.
func (s Shape) move() time.Duration { return mostDrop + s.oneWay() + mostSave + s.claim() }

// expiry is how long after the last renewal was sent the voters have freed the lease.
func (s Shape) expiry() time.Duration {
	return s.Lease + s.drift() + s.oneWay() + mostWake + mostSave + slack
}

// gap is how long before its voters a holder stops.
func (s Shape) gap() time.Duration {
	return 2*s.drift() + margin + s.oneWay() + mostWake + mostSave + slack
}

// Drills are the kinds of faults that the table of outages lists.
var Drills = []Drill{
	{
		Name: "memcached exits", Kind: ExitMemcached, Promise: "noticed (4 ms) + move",
		Bound: func(s Shape) time.Duration { return mostExit + s.move() },
	},
	{
		Name: "memcached exits, no process connector", Kind: ExitMemcached, Promise: "noticed (60 ms) + move",
		Bound: func(s Shape) time.Duration { return mostNotice + s.move() }, prepare: func(s *Shape) { s.Connector = false },
	},
	{
		Name: "memcached hangs", Kind: HangMemcached, Promise: "noticed (600 ms) + move",
		Bound: func(s Shape) time.Duration { return mostHang + s.move() },
	},
	{Name: "agent stopped", Kind: StopAgent, Promise: "move", Bound: Shape.move},
	{Name: "drain", Kind: Drain, Promise: "move", Bound: Shape.move},
	{
		Name: "agent killed", Kind: KillAgent, Promise: "2pL + m + claim",
		Bound: func(s Shape) time.Duration { return s.gap() + s.claim() },
	},
	{
		Name: "agent frozen", Kind: FreezeAgent, Promise: "2pL + m + claim",
		Bound: func(s Shape) time.Duration { return s.gap() + s.claim() },
	},
	{
		Name: "agent restarted within its lease", Kind: RestartAgent, Promise: "0",
		Bound: func(Shape) time.Duration { return 0 }, prepare: func(s *Shape) { s.Lease = max(s.Lease, 600*time.Millisecond) },
	},
	{
		Name: "agent leaves its addresses up and is back within its lease", Kind: KeepRestart, Promise: "0",
		Bound: func(Shape) time.Duration { return 0 }, prepare: func(s *Shape) { s.Lease = max(s.Lease, 600*time.Millisecond) },
	},
	{
		Name: "agent leaves its addresses up and does not come back", Kind: KeepLeave, Promise: "2pL + m + claim",
		Bound: func(s Shape) time.Duration { return s.gap() + s.claim() },
	},
	{
		Name: "agents upgraded in place", Kind: UpgradeMany, Promise: "0",
		Bound: func(Shape) time.Duration { return 0 }, prepare: func(s *Shape) { s.Lease = max(s.Lease, 300*time.Millisecond) },
	},
	{
		Name: "host loses power", Kind: Crash, Promise: "L(1+p) + claim",
		Bound: func(s Shape) time.Duration { return s.expiry() + s.claim() },
	},
	{
		Name: "host loses power just after an upgrade of all agents", Kind: Crash, Promise: "L(1+p) + claim",
		Bound: func(s Shape) time.Duration { return s.expiry() + s.claim() }, upgrade: true,
		prepare: func(s *Shape) { s.Lease = max(s.Lease, time.Second) },
	},
	{
		Name: "cable pulled", Kind: PullCable, Promise: "L(1+p) + claim",
		Bound: func(s Shape) time.Duration { return s.expiry() + s.claim() },
	},
	{
		Name: "cut off from its peers, not from clients", Kind: Isolate, Promise: "2pL + m + claim",
		Bound: func(s Shape) time.Duration { return s.gap() + s.claim() },
	},
	{
		Name: "two hosts do not hear each other", Kind: CutPair, Promise: "0",
		Bound: func(Shape) time.Duration { return 0 },
	},
	{
		Name: "one way to one other host is cut", Kind: CutOneWay, Promise: "0",
		Bound: func(Shape) time.Duration { return 0 },
	},
}

// Outage is what one run of a drill showed. All VIPs of the cluster are looked at.
type Outage struct {
	Shape  Shape
	Struck time.Duration // longest time without an answer while the fault lasted
	Home   time.Duration // longest gap when VIPs went home afterwards
	Broken *Violation

	// Renewing is whether a renewal was on its way when the fault struck. The voters may have granted what the holder
	// then never heard of: its address is closed up to a heartbeat sooner than it would have been.
	Renewing bool
}

// Run strikes once, at an instant and in a cluster that the seed picks.
func (d Drill) Run(seed uint64, trace io.Writer) Outage {
	r := rand.New(rand.NewPCG(seed, 3))
	s := drawShape(r)
	s.Net = Net{Delay: s.Net.Delay, Jitter: s.Net.Jitter}
	s.Fence, s.Restart, s.Manual, s.Connector, s.Failback = FenceKernel, true, false, true, 200*time.Millisecond
	if s.Lease == 200*time.Millisecond {
		s.Lease = 300 * time.Millisecond // so that a renewal and its repetition fit whatever the network drawn
	}
	if d.prepare != nil {
		d.prepare(&s)
	}
	at := calmFor + time.Duration(r.Int64N(int64(s.Lease)))
	w := newWorld(Plan{Seed: seed, Shape: s}, trace)
	w.look()
	w.boot()
	lasts := 2*s.Lease + 3*time.Second
	act := Act{At: at, Kind: d.Kind, B: 1 + r.IntN(2), For: lasts}
	w.tasks.push(int64(at), func() { w.do(act) })
	for _, h := range w.hosts {
		if d.upgrade {
			w.tasks.push(int64(at)-2*int64(s.Lease)+int64(h.id)*20*ms, func() { h.restart(false) })
		}
	}
	w.until(int64(at) - 1)
	before, renewing := w.longestGap(), w.renewing(s)
	w.until(int64(at + lasts))
	struck := w.longestGap()
	w.until(int64(at + lasts + 12*time.Second))
	o := Outage{Shape: s, Struck: struck, Home: w.longestGap(), Broken: w.broken, Renewing: renewing}
	if before < 0 && w.broken == nil {
		o.Broken = &Violation{Rule: ruleServed, At: at, What: "not every VIP was served before the fault"}
	}
	return o
}

// renewing reports whether a renewal of any VIP has been sent or has arrived within the last round trip.
func (w *World) renewing(s Shape) bool {
	for _, v := range w.vips {
		if w.now-v.renewed < int64(2*s.oneWay()+mostSave) {
			return true
		}
	}
	return false
}

// longestGap returns the longest time without an answer that ended since it was last asked for, of any
// VIP; it is negative if one is not served now.
func (w *World) longestGap() time.Duration {
	longest := int64(0)
	for _, v := range w.vips {
		if v.unserved >= 0 {
			longest = -1
		}
		if longest >= 0 {
			longest = max(longest, v.worst)
		}
		v.worst = 0
	}
	return time.Duration(longest)
}
