//go:build integration

package integration

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"memvip/integration/lab"
	"memvip/vip"
)

const (
	// silence is how long a voter without a past grants nothing.
	silence = 5 * time.Second
	// watched is how long a fresh cluster is looked at, from the start of its agents.
	watched = 60 * time.Second
)

// A cluster that starts for the first time serves nothing before its voters may grant, then every VIP at
// home, and from then on nothing moves.
func TestFreshCluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, lab.Options{Lease: patientLease})
	c.judge(t)
	must(t, c.StartMemcached())
	start := lab.Now()
	must(t, c.StartAgents())
	c.awaitHome(t)
	c.awaitHolding(t)
	settled := lab.Now()
	t.Logf("every VIP at home after %v", settled.Sub(start))

	if took := settled.Sub(start); took > 3*silence {
		t.Errorf("every VIP at home after %v, want at most three times the silence of %v", took, silence)
	}
	for _, v := range c.VIPs {
		first := c.client.Turns(v.Addr, start, settled)[0].First
		if after := first.Sub(start); after < silence {
			t.Errorf("%s: served after %v, though no voter may grant before %v", v.Addr, after, silence)
		}
	}
	standsStill(t, c, start, settled)
}

// awaitHolding waits until every home says that it holds its VIP, which clients may find out sooner.
func (c *cluster) awaitHolding(t *testing.T) {
	t.Helper()
	for _, v := range c.VIPs {
		await(t, v.Home.Name+" logs that it holds "+v.Addr.String(), func() bool {
			return strings.Contains(v.Home.Agent().Log(), "to=holding vip="+v.Addr.String())
		})
	}
}

// standsStill watches a cluster that nothing happens to since it settled. Who did not win goes on hearing so for a moment.
func standsStill(t *testing.T, c *cluster, start, settled lab.Instant) {
	t.Helper()
	addresses, moves := map[string]string{}, map[string]int{}
	for _, h := range c.Hosts {
		c.awaitTerms(t, h)
	}
	for _, h := range c.Hosts {
		addresses[h.Name], moves[h.Name] = sortedAddresses(t, h), len(roleChanges(h))
	}
	ctx, cancel := context.WithTimeout(context.Background(), watched+patience)
	defer cancel()
	must(t, c.client.WaitFor(ctx, watched-lab.Now().Sub(start)))
	until := lab.Now()
	for _, h := range c.Hosts {
		if got := sortedAddresses(t, h); got != addresses[h.Name] {
			t.Errorf("%s had %s and has %s", h.Name, addresses[h.Name], got)
		}
		if got := roleChanges(h)[moves[h.Name]:]; len(got) > 0 {
			t.Errorf("%s logged changes of roles:\n%s", h.Name, strings.Join(got, "\n"))
		}
	}
	for _, v := range c.VIPs {
		if turns := c.client.Turns(v.Addr, settled, until); len(turns) != 1 || turns[0].Host != v.Home.Name {
			t.Errorf("%s answered by %v, want %s alone", v.Addr, turns, v.Home.Name)
		}
		assertSchedule(t, v, c.watcher.Announcements(v.Addr, 0, until), until)
	}
}

// assertSchedule wants no announcement but the home's, and no more than the schedule has by then. Each is made
// in two frames.
func assertSchedule(t *testing.T, v lab.VIP, heard []lab.Announcement, until lab.Instant) {
	t.Helper()
	if len(heard) == 0 {
		t.Errorf("%s was never announced", v.Addr)
		return
	}
	due := 0
	for at := heard[0].At; at <= until; at = at.Add(vip.Schedule(due)) {
		due++
	}
	if len(heard) > 2*due {
		t.Errorf("%s: %d announcements, want at most 2 x %d: %v", v.Addr, len(heard), due, heard)
	}
	for _, a := range heard {
		if a.Host != v.Home.Name {
			t.Errorf("%s: announced by %s, want %s", v.Addr, a.Host, v.Home.Name)
		}
	}
	t.Logf("%s: %d frames announced it, %d are due", v.Addr, len(heard), 2*due)
}

// roleChanges are the lines that a host's agent has logged of them.
func roleChanges(h *lab.Host) []string {
	lines := strings.Split(h.Agent().Log(), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, `msg="role changed"`) })
}

func sortedAddresses(t *testing.T, h *lab.Host) string {
	t.Helper()
	var list []string
	for _, a := range addressesOf(t, h) {
		list = append(list, a.String())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
