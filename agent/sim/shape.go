package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"memvip/agent/core"
)

// Shape is what a cluster is made of. It does not change while a schedule runs, but for the voter list
// and the lease, which operators may change.
type Shape struct {
	Nodes     int // hosts with memcached
	Witnesses int // voters without
	Voters    int // of all hosts, the witnesses among them
	VIPs      int
	Shared    bool // one instance per host; else one per VIP on every host
	Lease     time.Duration
	Fence     Fence
	Restart   bool          // a restart_command is configured
	Manual    bool          // the first VIP goes home only when an operator says so
	Failback  time.Duration // delay before a hand-back

	Keepalive bool // memcached as of 1.6.25: items read in the last second survive a flush
	Connector bool // agents see memcached's exit at once
	DriftPPM  int64
	Net       Net
}

// Fence is what stops a host whose agent is frozen or dead from answering on a VIP.
type Fence uint8

// The fences, each on its own. The agent's own timer is always there, as long as the agent runs.
const (
	FenceKernel   Fence = iota // packets pass only until the lease ends, whatever the agent does
	FenceLifetime              // the address's lifetime, refreshed only where the lease covers it; leases of 5 s
	FenceCleanup               // the unit removes the addresses after the agent's death, before anything else
	FenceNone                  // nothing but the agent's own timer
	FenceAll                   // all of them
)

func (f Fence) String() string {
	return [...]string{"kernel", "lifetime", "cleanup", "none", "all"}[f]
}

func (f Fence) kernel() bool   { return f == FenceKernel || f == FenceAll }
func (f Fence) lifetime() bool { return f == FenceLifetime || f == FenceAll }
func (f Fence) cleanup() bool  { return f == FenceCleanup || f == FenceAll }

// coversFreeze reports whether a frozen agent's addresses stop answering by themselves.
func (f Fence) coversFreeze() bool { return f.kernel() || f.lifetime() }

// coversDeath reports whether a dead agent's do.
func (f Fence) coversDeath() bool { return f != FenceNone }

// Net is how packets between hosts fare when nothing else is wrong. Odds are per million packets.
type Net struct {
	Delay  time.Duration // one way, the least
	Jitter time.Duration // added at random
	Loss   int
	Double int
	Late   int // delayed by up to 0.8 s, so that packets overtake each other
	Held   int // held back for up to 2 minutes
}

func (s Shape) hosts() int { return s.Nodes + s.Witnesses }

// drawShape picks a cluster.
func drawShape(r *rand.Rand) Shape {
	s := Shape{
		Nodes: 3 + pick(r, 3, 3, 2, 1, 1, 1, 1), VIPs: 1 + r.IntN(6), Shared: r.IntN(2) == 0, Restart: r.IntN(8) > 0, Manual: r.IntN(10) == 0,
		Lease:    [...]time.Duration{600, 600, 600, 200, 300, 1000, 2000}[r.IntN(7)] * time.Millisecond,
		Fence:    [...]Fence{FenceKernel, FenceKernel, FenceKernel, FenceAll, FenceLifetime, FenceCleanup, FenceNone}[r.IntN(7)],
		Failback: time.Duration(r.IntN(500)) * time.Millisecond, Keepalive: r.IntN(3) == 0, Connector: r.IntN(4) > 0,
		DriftPPM: int64(r.IntN(core.DefaultDriftPPM/2 + 1)),
		Net:      Net{Delay: time.Duration(30+r.IntN(200)) * time.Microsecond, Jitter: time.Duration(20+r.IntN(500)) * time.Microsecond},
	}
	if r.IntN(6) == 0 {
		s.VIPs += 6
	}
	if s.Nodes > 5 {
		s.VIPs = min(s.VIPs, 6)
	}
	if r.IntN(4) == 0 {
		s.Witnesses, s.Nodes = 1, s.Nodes-1
	}
	s.Voters = min(s.hosts(), 3+pick(r, 6, 1, 3))
	if s.Fence == FenceLifetime {
		s.Lease = core.LeaseMax
	}
	switch r.IntN(3) {
	case 0:
		s.Net.Loss, s.Net.Double, s.Net.Late, s.Net.Held = r.IntN(20_000), r.IntN(20_000), r.IntN(20_000), r.IntN(1000)
	case 1:
		s.Net.Held = r.IntN(1000)
	}
	return s
}

// small makes a shape the least that the protocol's finer points need, and quick: three hosts, short leases.
func (s Shape) small(r *rand.Rand) Shape {
	s.Nodes, s.Witnesses, s.Voters, s.VIPs = 3, 0, 3, 1+r.IntN(2)
	if r.IntN(3) == 0 {
		s.Nodes++ // one without a vote
	}
	if s.Fence == FenceLifetime || s.Fence == FenceNone {
		s.Fence = FenceKernel
	}
	s.Lease = [...]time.Duration{200, 300, 600}[r.IntN(3)] * time.Millisecond
	return s
}

// pick draws an index by weight.
func pick(r *rand.Rand, weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	x := r.IntN(sum)
	for i, w := range weights {
		if x < w {
			return i
		}
		x -= w
	}
	panic("sim: weights")
}

func (s Shape) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d nodes", s.Nodes)
	if s.Witnesses > 0 {
		fmt.Fprintf(&b, " and %d witness", s.Witnesses)
	}
	instances := "an instance per VIP"
	if s.Shared {
		instances = "one instance per host"
	}
	fmt.Fprintf(&b, ", %d voters, %d VIPs, %s, lease %s, fence %s", s.Voters, s.VIPs, instances, s.Lease, s.Fence)
	for _, x := range []struct {
		is   bool
		word string
	}{
		{!s.Restart, "no restart command"}, {s.Manual, "first VIP goes home by hand"}, {s.Keepalive, "reads save items from a flush"},
		{!s.Connector, "no process connector"},
	} {
		if x.is {
			b.WriteString(", " + x.word)
		}
	}
	fmt.Fprintf(&b, ", clocks within %d ppm, packets %s to %s", s.DriftPPM, s.Net.Delay, s.Net.Delay+s.Net.Jitter)
	if s.Net.Loss+s.Net.Double+s.Net.Late+s.Net.Held > 0 {
		fmt.Fprintf(&b, " (of a million %d lost, %d doubled, %d late, %d held back)", s.Net.Loss, s.Net.Double, s.Net.Late, s.Net.Held)
	}
	return b.String()
}
