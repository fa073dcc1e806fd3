//go:build integration

package integration

import (
	"fmt"
	"slices"
	"testing"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// longDelay keeps a home that is proved clean waiting long enough for a test to do something behind its back.
const longDelay = `failback_delay = "4s"`

// The time between a home's proof and its claim is a window. A memcached that is restarted in it, or written
// to on a path that nobody watches, is not what was proved, and must not serve before it is proved anew.
func TestWindowBetweenProofAndClaim(t *testing.T) {
	inEach(t, []setUp{idleStandIn, perVIP}, longDelay, func(t *testing.T, o lab.Options) {
		c := startCluster(t, o)
		r := c.trace(t, c.VIPs[0])
		home := r.vip.Home
		cutAndOverwrite(t, r)
		healed := struck(t)(r.HealHost(home))
		r.awaitCache(t, control.CacheClean, healed)

		// While its agent looks away: another process, with an old value in it at first contact.
		struck(t)(home.Agent().Freeze())
		struck(t)(r.instance(home).Kill())
		must(t, r.instance(home).Start())
		r.plant(t, "first, at home", home)
		struck(t)(home.Agent().Thaw())
		r.awaitCache(t, control.CacheTainted, healed)
		r.awaitCache(t, control.CacheClean, healed)

		// Under its agent's eyes: another process, proved by being empty at first contact, and written to after.
		struck(t)(r.instance(home).Kill())
		must(t, r.instance(home).Start())
		r.awaitCache(t, control.CacheClean, healed)
		r.plant(t, "first, at home", home)
		r.assertFresh(t, home)
	})
}

// awaitCache waits until the home, which has not served since it was healed, is clean or tainted in its present
// process.
func (r *tracer) awaitCache(t *testing.T, cache control.Cache, healed lab.Instant) {
	t.Helper()
	home := r.vip.Home
	pid := r.instance(home).PID()
	r.awaitSaid(t, home, fmt.Sprintf("the home's memcached, pid %d, is %s", pid, cache), func(v control.VIP, n control.Node) bool {
		if slices.ContainsFunc(r.client.Turns(r.vip.Addr, healed, lab.Now()), func(turn lab.Turn) bool { return turn.Host == home.Name }) {
			t.Fatalf("%s is at home before its time: the window was missed", v.Address)
		}
		in, own := r.told(n), n.VIPs[r.vip.Index]
		return in.Up && in.PID == pid && own.Cache == cache
	})
}

// From memcached 1.6.25 on a reader at the right moment saves items from flush_all, after the OK. The home
// sees it, serves nothing, and flushes again.
func TestReaderSavesItemsFromFlush(t *testing.T) {
	fakecached := built(t, "memvip/integration/fakecached")
	inEach(t, []setUp{idleStandIn, perVIP}, soonHome, func(t *testing.T, o lab.Options) {
		c := newCluster(t, o)
		c.judge(t)
		r := c.trace(t, c.VIPs[0])
		home := r.vip.Home
		r.instance(home).Program = fakecached
		r.instance(home).Args = []string{"-read", r.key, "-times", "1"}
		must(t, c.Start())
		c.awaitHome(t)

		r.write(t, "first, at home", home)
		c.trace(t, r.vip).write(t, "stored later and read by nobody: there the flush stops looking", home)
		struck(t)(r.Cut(home))
		standIn := r.awaitStandIn(t)
		r.write(t, "second, at the stand-in", standIn)
		struck(t)(r.HealHost(home))
		r.awaitSaid(t, standIn, "the home's flush failed", func(v control.VIP, n control.Node) bool {
			return v.Holder == standIn.Name && v.WhyCode == comingTainted && r.told(n).Trouble != ""
		})
		r.assertLurking(t, "first, at home", home)
		r.assertFresh(t, standIn)
		r.assertFresh(t, home)
	})
}
