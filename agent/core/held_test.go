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
			p.viewedAt, p.views[l.no] = m.now, view{AnswerEntry{Name: l.name, Grantee: "n1", Holding: true, Left: c.left}, m.now, 0}
		}
		if got := m.heldFor(l, c.atLeast); got != c.want {
			t.Errorf("%d of %d voters name another node for %s: held for %s: %t", c.naming, c.voters, c.left, c.atLeast, got)
		}
	}
}

// TestOthersHoldSince: whether a VIP was held when a foreign host was seen on it, is told by what was asked after that.
// Found by the simulator: after its disk had stood still, a node heard a dead holder's old claim and old answer at once,
// took the VIP for held, and claimed it a moment later beside the foreign host.
func TestOthersHoldSince(t *testing.T) {
	const seen = Instant(10 * time.Second)
	for _, c := range []struct {
		name   string
		asked  [3]Instant // when each voter was asked what it answered
		names  [3]bool    // whether that was that another holds the VIP
		held   bool       // by what was asked since
		ruling string     // "free", "held" or "open"
	}{
		{"all answer anew: held", [3]Instant{seen, seen, seen}, [3]bool{true, true, false}, true, "held"},
		{"all answer anew: free", [3]Instant{seen, seen, seen}, [3]bool{false, true, false}, false, "free"},
		{"one old word makes a majority of two", [3]Instant{seen, seen, seen - 1}, [3]bool{false, true, true}, false, "free"},
		{"only old words", [3]Instant{seen - 1, seen - 1, seen - 1}, [3]bool{true, true, true}, false, "open"},
		{"one new word", [3]Instant{seen, seen - 1, seen - 1}, [3]bool{true, true, true}, false, "open"},
	} {
		cfg := leaseConfig
		cfg.Node, cfg.VIPs = "n0", []VIP{{Name: "v1", Home: "n0", Instance: "mc"}}
		cfg.Voters = []string{"n0", "n1", "n2"}
		cfg.Nodes = cfg.Voters
		m := New(cfg)
		m.Step(1, Started{Boot: "b", Entropy: 1})
		m.now = seen
		l := m.leases["v1"]
		for i, p := range m.seats {
			p.viewed, p.viewedAt = c.asked[i], m.now
			if c.names[i] {
				p.views[l.no] = view{AnswerEntry{Name: l.name, Grantee: "n1", Holding: true, Left: time.Second}, m.now, 0}
			}
		}
		if got := m.othersHold(l, seen); got != c.held {
			t.Errorf("%s: held: %t", c.name, got)
		}
		l.site.conflict.unjudged = seen
		m.judgeForeign(l.site)
		ruling := "open"
		switch k := &l.site.conflict; {
		case k.unjudged == 0 && k.blockedUntil == seen.Add(foreignBlocks):
			ruling = "free"
		case k.unjudged == 0:
			ruling = "held"
		}
		if ruling != c.ruling {
			t.Errorf("%s: judged %s, want %s", c.name, ruling, c.ruling)
		}
	}
}
