package core

import (
	"fmt"
	"slices"
	"time"
)

// Failback says when a home gets its VIP back.
type Failback uint8

const (
	FailbackAuto   Failback = iota // as soon as it is proved clean and up for the delay
	FailbackManual                 // when an operator asks
	FailbackNever
)

// VIP is one service address as configured; the same on every node but for Instance.
type VIP struct {
	Name          Name
	Home          string
	Instance      string // the memcached that serves it on this node, host:port
	Candidates    []string
	Failback      Failback
	FailbackDelay time.Duration
	CanRestart    bool // a restart_command is configured for its instance
}

// Limits of a lease's length. The upper one is also how long a voter that lost its state stays
// silent, since no grant outlives it (F4, F5).
const (
	LeaseMin = 200 * time.Millisecond
	LeaseMax = 5 * time.Second
)

// Config is what a machine has to know before its first event.
type Config struct {
	Node      string
	Build     string
	Detector  string   // see NodeState
	Fence     string   // see NodeState
	Digest    string   // see NodeState.Config
	Voters    []string // the configured list, sorted; the one in force may still be an earlier one
	VotersOff []string // voters of the old list that an operator names as switched off
	Nodes     []string // every node, voters and witnesses included, sorted
	Witness   bool
	MACs      []string // as MACsChanged has them, at the start
	VIPs      []VIP

	// Lease is how long a grant lasts. Every Heartbeat of it a holder renews. Shorter: dead hosts are noticed
	// sooner, and a starved agent loses its VIPs sooner.
	Lease time.Duration
	// DriftPPM bounds how far the rates of two hosts' clocks may differ, in parts per
	// million. A holder stops that much before its voters' timers can end.
	DriftPPM int64
	// Margin is kept free at a lease's end for taking the address down: two jiffies and netlink.
	Margin time.Duration
}

// Heartbeat is how often a node renews a lease of that length, or says that it is alive. A holder that
// is not answered makes haste; see Machine.hastenAt.
func Heartbeat(lease time.Duration) time.Duration { return lease / 4 }

// MarginMin is the least margin: two jiffies at 100 Hz.
const MarginMin = 20 * time.Millisecond

// DefaultDriftPPM is 1 %, far above what crystals do and below what a broken clock does.
const DefaultDriftPPM = 10_000

// valid panics on a configuration that the config package should have refused: that is our fault.
func (c Config) valid() {
	assert(len(c.Voters) >= 3, "fewer than three voters: %v", c.Voters)
	assert(slices.IsSorted(c.Voters), "voters not sorted: %v", c.Voters)
	assert(c.Lease >= LeaseMin && c.Lease <= LeaseMax, "lease out of range: %s", c.Lease)
	assert(c.Margin >= MarginMin && c.Margin < c.Lease/2, "margin out of range: %s", c.Margin)
	assert(c.DriftPPM > 0 && c.DriftPPM <= 100_000, "drift out of range: %d ppm", c.DriftPPM)
	for _, v := range c.VIPs {
		assert(v.Name != HandbackSlot && v.Name != "", "bad VIP name %q", v.Name)
	}
}

// shrink returns d less the drift bound: what a holder may count on of a length it asked for.
func (c Config) shrink(d time.Duration) time.Duration {
	return d - d*time.Duration(c.DriftPPM)/1_000_000
}

// grow returns d plus the drift bound: after that, a timer of length d has ended on every host.
func (c Config) grow(d time.Duration) time.Duration {
	return d + d*time.Duration(c.DriftPPM)/1_000_000
}

// Majority of n voters: floor(n/2)+1.
func Majority(n int) int { return n/2 + 1 }

// Stagger is how long a voter waits between one candidate's turn and the next's, where a majority is reached within rtt.
func Stagger(rtt time.Duration) time.Duration { return max(5*time.Millisecond, 3*rtt) }

// assert stops the agent on a fault of ours: the unit's cleanup drops the addresses, a peer takes over.
func assert(ok bool, format string, args ...any) {
	if !ok {
		broken(format, args...)
	}
}

// broken is assert for what every step looks at: it is called where a check has failed already, since
// an assertion's words cost allocations even when it holds.
func broken(format string, args ...any) { panic("core: " + fmt.Sprintf(format, args...)) }
