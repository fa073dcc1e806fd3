//go:build integration

package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// conflictLine is what an agent logs of a host that is no member.
const conflictLine = "cause=foreign_host"

// A host that is no member takes the address of a VIP that is held: everybody says so, with its MAC; the holder
// answers at once and then no more than once in 10 s, however often the other announces itself, and keeps the VIP.
func TestForeignHostOnAHeldVIP(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease}) // a peer that is starved for less is not announced to anew
	v := c.VIPs[0]
	home := v.Home
	c.awaitEarlyAnnouncements(t, v)
	stranger, err := c.AddStranger(within(t))
	must(t, err)

	at := lab.Now()
	must(t, stranger.Take(v.Addr))
	must(t, stranger.Announce(v.Addr))
	for _, h := range c.Hosts {
		c.awaitConflict(t, h, v.Addr, stranger.MAC(), "is also claimed by")
		c.awaitLogged(t, h, v.Addr, stranger.MAC())
	}
	await(t, "the holder announces again", func() bool { return len(c.announcedBy(v.Addr, home.Name, at)) > 0 })
	must(t, c.client.WaitAllServed(within(t), c.homes()))

	const claims = 5
	for range claims {
		must(t, stranger.Announce(v.Addr))
	}
	await(t, "the holder counts every claim", func() bool {
		r, _ := c.status(t, home)
		return r.Counters["conflict"] > claims
	})
	// Clients may believe the other now. What could not be answered at once is answered in time.
	must(t, stranger.Drop(v.Addr))
	await(t, "the holder's second answer", func() bool { return len(c.announcedBy(v.Addr, home.Name, at)) >= 2*frames })
	must(t, c.client.WaitAllServed(within(t), c.homes()))
	c.awaitAlone(t, v.Addr, home.Name)

	answers := c.announcedBy(v.Addr, home.Name, at)
	if pause := answers[frames].At.Sub(answers[0].At); pause < least {
		t.Errorf("answered again after %v, want no less than %v", pause, least)
	}
	most := 1 + int(lab.Now().Sub(at)/least) // lines, too, are at least so far apart
	for _, h := range c.Hosts {
		if n := strings.Count(h.Agent().Log(), conflictLine); n > most {
			t.Errorf("%s has logged it %d times, want no more than %d", h.Name, n, most)
		}
	}
}

// A host that is no member has a free VIP's address: nobody takes the VIP, and status says why, with the MAC. When
// it has gone, the VIP is served again.
func TestForeignHostOnAFreeVIP(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome})
	v := c.VIPs[0]
	stranger, err := c.AddStranger(within(t))
	must(t, err)
	for _, h := range c.Hosts {
		struck(t)(h.Memcached().Kill())
	}
	c.awaitNobody(t)
	at := lab.Now()
	must(t, stranger.Take(v.Addr))
	for _, h := range c.Hosts {
		await(t, h.Name+" bars the VIP", func() bool {
			must(t, stranger.Announce(v.Addr))
			r, _ := c.status(t, h)
			n := r.Nodes[slices.IndexFunc(r.Nodes, func(n control.Node) bool { return n.Self })]
			return n.VIPs[v.Index].Conflict.MAC == stranger.MAC()
		})
	}
	for _, h := range c.Hosts {
		must(t, h.StartMemcached())
	}

	others := c.homes()
	delete(others, v.Addr)
	await(t, "the other VIPs are at home", func() bool {
		must(t, stranger.Announce(v.Addr))
		for _, o := range c.VIPs[1:] {
			if who := c.watcher.Answering(o.Addr); len(who) != 1 || who[0] != others[o.Addr] {
				return false
			}
		}
		return true
	})
	for _, h := range c.Hosts {
		await(t, h.Name+" says why nobody serves it", func() bool {
			must(t, stranger.Announce(v.Addr))
			r, code := c.status(t, h)
			said := r.VIPs[v.Index]
			return code == int(control.Unserved) && said.Place == control.PlaceUnserved &&
				strings.Count(said.Why, "sees a host on it that is no member ("+stranger.MAC()+")") == len(c.Hosts)
		})
		c.awaitConflict(t, h, v.Addr, stranger.MAC(), "and not taken while that host is heard")
		c.awaitLogged(t, h, v.Addr, stranger.MAC())
	}
	for _, h := range c.Hosts {
		if list := c.announcedBy(v.Addr, h.Name, at); len(list) > 0 {
			t.Errorf("%s has announced it while the other host was there: %v", h.Name, list)
		}
	}

	must(t, stranger.Drop(v.Addr))
	c.awaitHome(t)
}

const (
	// frames is how many an announcement has: a request and a reply.
	frames = 2
	// least is RFC 5227's DEFEND_INTERVAL, less what the watcher's clock may be off.
	least = 9900 * time.Millisecond
)

// awaitEarlyAnnouncements waits until the holder of a VIP has told of it as often as it does in short order; the next
// time by itself would be a minute later.
func (c *cluster) awaitEarlyAnnouncements(t *testing.T, v lab.VIP) {
	t.Helper()
	const early, calm = 6, 3 * time.Second
	await(t, "the end of the home's early announcements", func() bool {
		list := c.announcedBy(v.Addr, v.Home.Name, 0)
		return len(list) >= early*frames && lab.Now().Sub(list[len(list)-1].At) > calm
	})
}

// announcedBy lists what a host has announced of a VIP since an instant.
func (c *cluster) announcedBy(vip netip.Addr, host string, since lab.Instant) []lab.Announcement {
	all := c.watcher.Announcements(vip, since, lab.Now())
	return slices.DeleteFunc(all, func(a lab.Announcement) bool { return a.Host != host })
}

// awaitConflict waits until the agent of a host tells of another host on a VIP, in these words.
func (c *cluster) awaitConflict(t *testing.T, h *lab.Host, vip netip.Addr, mac, words string) {
	t.Helper()
	await(t, fmt.Sprintf("%s says that %s has %s", h.Name, mac, vip), func() bool {
		r, code := c.status(t, h)
		return code >= int(control.Degraded) && slices.ContainsFunc(r.Problems, func(p control.Problem) bool {
			return p.Code == control.ProblemConflict && slices.Equal(p.VIPs, []string{vip.String()}) &&
				strings.Contains(p.Text, mac) && strings.Contains(p.Text, words) && slices.Contains(p.Nodes, h.Name)
		})
	})
}

// awaitLogged waits until the agent of a host has logged another host's MAC on a VIP.
func (c *cluster) awaitLogged(t *testing.T, h *lab.Host, vip netip.Addr, mac string) {
	t.Helper()
	await(t, h.Name+" logs "+mac, func() bool {
		for line := range strings.Lines(h.Agent().Log()) {
			if strings.Contains(line, conflictLine) && strings.Contains(line, mac) && strings.Contains(line, "vip="+vip.String()) {
				return true
			}
		}
		return false
	})
}
