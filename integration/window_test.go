//go:build integration

package integration

import (
	"fmt"
	"testing"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// longDelay keeps a home that is proved clean waiting long enough for a test to do something behind its back.
const longDelay = `failback_delay = "4s"`

// The time between a home's proof and its claim is a window. A memcached that is restarted in it, or written
// to on a path that nobody watches, is not what was proved, and must not serve before it is proved anew.
func TestWindowBetweenProofAndClaim(t *testing.T) {
	c := startCluster(t, lab.Options{VIPs: 1, Lease: calmLease, VIPTOML: longDelay})
	r := c.trace(t, c.VIPs[0])
	home := r.vip.Home
	cutAndOverwrite(t, r)
	struck(t)(r.HealHost(home))
	r.awaitCache(t, control.CacheClean)

	// While its agent looks away: another process, with an old value in it at first contact.
	struck(t)(home.Agent().Freeze())
	struck(t)(home.Memcached().Kill())
	must(t, home.StartMemcached())
	r.plant(t, "first, at home", home)
	struck(t)(home.Agent().Thaw())
	r.awaitCache(t, control.CacheTainted)
	r.awaitCache(t, control.CacheClean)

	// Under its agent's eyes: another process, proved by being empty at first contact, and written to after.
	struck(t)(home.Memcached().Kill())
	must(t, home.StartMemcached())
	r.awaitCache(t, control.CacheClean)
	r.plant(t, "first, at home", home)
	r.assertFresh(t, home)
}

// awaitCache waits until the home, away from its VIP, is clean or tainted in its present process.
func (r *tracer) awaitCache(t *testing.T, cache control.Cache) {
	t.Helper()
	home := r.vip.Home
	pid := home.Instance(r.vip.Addr).PID()
	r.awaitSaid(t, home, fmt.Sprintf("the home's memcached, pid %d, is %s", pid, cache), func(v control.VIP, n control.Node) bool {
		if v.Place == control.PlaceHome {
			t.Fatalf("%s is at home before its time: the window was missed", v.Address)
		}
		in, own := n.Instances[0], n.VIPs[r.vip.Index]
		return in.Up && in.PID == pid && own.Cache == cache
	})
}

// From memcached 1.6.25 on a reader at the right moment saves items from flush_all, after the OK. The home
// sees it, serves nothing, and flushes again.
func TestReaderSavesItemsFromFlush(t *testing.T) {
	fakecached := built(t, "memvip/integration/fakecached")
	c := newCluster(t, lab.Options{VIPs: 1, Lease: calmLease, VIPTOML: soonHome})
	c.judge(t)
	r := c.trace(t, c.VIPs[0])
	home := r.vip.Home
	home.Memcached().Program = fakecached
	home.Memcached().Args = []string{"-read", r.key, "-times", "1"}
	must(t, c.Start())

	r.write(t, "first, at home", home)
	c.trace(t, r.vip).write(t, "stored later and read by nobody: there the flush stops looking", home)
	struck(t)(r.Cut(home))
	standIn := r.awaitStandIn(t)
	r.write(t, "second, at the stand-in", standIn)
	struck(t)(r.HealHost(home))
	r.awaitSaid(t, standIn, "the home's flush failed", func(v control.VIP, n control.Node) bool {
		return v.Holder == standIn.Name && v.WhyCode == comingTainted && n.Instances[0].Trouble != ""
	})
	r.assertLurking(t, "first, at home", home)
	r.assertFresh(t, standIn)
	r.assertFresh(t, home)
}
