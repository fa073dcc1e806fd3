package core

import (
	"fmt"
	"testing"
	"time"
)

// TestHeldFor: when a node that is told that a name is free knows better. Found by the simulator: after a
// change from three voters to four, two knew the holder and two did not; candidate after candidate took the
// latter's grants, and the holder's renewals never got a third.
func TestHeldFor(t *testing.T) {
	for _, c := range []struct {
		voters, naming int // how many there are, and how many of them name another node
		left, atLeast  time.Duration
		want           bool
	}{
		{3, 1, time.Second, 0, false},
		{3, 2, time.Second, 0, true},
		{4, 1, time.Second, 0, false},
		{4, 2, time.Second, 0, true}, // the other two make no majority
		{5, 2, time.Second, 0, false},
		{5, 3, time.Second, 0, true},
		{3, 3, time.Second, time.Second, false}, // not for that long
		{3, 3, time.Second, time.Millisecond, true},
	} {
		cfg := leaseConfig
		cfg.Node, cfg.VIPs = "n0", []VIP{{Name: "v1", Home: "n0", Instance: "mc"}}
		for i := range c.voters {
			cfg.Voters = append(cfg.Voters, fmt.Sprint("n", i))
		}
		cfg.Nodes = cfg.Voters
		m := New(cfg)
		m.Step(1, Started{Boot: "b", Entropy: 1})
		l := m.leases["v1"]
		for _, p := range m.seats[c.voters-c.naming:] {
			p.viewedAt, p.views[l.no] = m.now, AnswerEntry{Name: l.name, Grantee: "n1", Holding: true, Left: c.left}
		}
		if got := m.heldFor(l, c.atLeast); got != c.want {
			t.Errorf("%d of %d voters name another node for %s: held for %s: %t", c.naming, c.voters, c.left, c.atLeast, got)
		}
	}
}
