package size

import (
	"fmt"
	"time"

	"memvip/agent/core"
)

// Shape is what a cluster is made of.
type Shape struct {
	Nodes  int // each home of its part of the VIPs, with one memcached for all
	VIPs   int
	Voters int // the first of the nodes
	Lease  time.Duration
	Costs  Costs
	Seed   uint64

	// Quiet keeps nodes from telling each other their states other than in claims, which saves most of a large
	// cluster's simulation: the sum of all other packets grows with the nodes, that one with their square.
	Quiet bool
}

// Costs are how long things take, in simulated time.
type Costs struct {
	Packet, Jitter time.Duration // one way; jitter is added at random
	Step           time.Duration // for which an agent is busy with one event
	Save           time.Duration // of the state file, at most
	Kernel         time.Duration // for an address to go up or down, at most
	Check          time.Duration // for memcached to answer, at most
}

// LAN is what hosts on one switch take.
var LAN = Costs{
	Packet: 50 * time.Microsecond, Jitter: 100 * time.Microsecond, Step: 20 * time.Microsecond, Save: 300 * time.Microsecond,
	Kernel: 600 * time.Microsecond, Check: 500 * time.Microsecond,
}

// Bounds of a shape. The upper ones are what addresses and names were made for.
const (
	NodesMin, NodesMax   = 3, 10_000
	VIPsMin, VIPsMax     = 1, 10_000
	VotersMin, VotersMax = 3, 9
)

func (s Shape) check() error {
	switch {
	case s.Nodes < NodesMin || s.Nodes > NodesMax:
		return fmt.Errorf("size: %d nodes: want %d to %d", s.Nodes, NodesMin, NodesMax)
	case s.VIPs < VIPsMin || s.VIPs > VIPsMax:
		return fmt.Errorf("size: %d VIPs: want %d to %d", s.VIPs, VIPsMin, VIPsMax)
	case s.Voters < VotersMin || s.Voters > VotersMax || s.Voters > s.Nodes:
		return fmt.Errorf("size: %d voters of %d nodes: want %d to %d", s.Voters, s.Nodes, VotersMin, min(VotersMax, s.Nodes))
	case s.Lease < core.LeaseMin || s.Lease > core.LeaseMax:
		return fmt.Errorf("size: lease %s: want %s to %s", s.Lease, core.LeaseMin, core.LeaseMax)
	}
	return nil
}

// vips gives every VIP its name and home.
func (s Shape) vips() []core.VIP {
	vips := make([]core.VIP, s.VIPs)
	for i := range vips {
		vips[i] = core.VIP{
			Name: core.Name(fmt.Sprintf("10.1.%d.%d", i>>8, i&255)), Home: nameOf(i % s.Nodes), Instance: instance, FailbackDelay: failbackDelay,
		}
	}
	return vips
}

func nameOf(i int) string { return fmt.Sprintf("n%05d", i+1) }

const (
	instance      = "127.0.0.1:11211"
	failbackDelay = 100 * time.Millisecond // shorter than the default, only to save time
	startsWithin  = 300 * time.Millisecond
)
