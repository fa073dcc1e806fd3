//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"

	"memvip/integration/lab"
)

// stopped are ways in which nothing of an agent runs any more that could take its address down.
var stopped = []fault{
	{
		name:   "the agent is frozen",
		strike: func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Agent().Freeze()) },
		undo:   func(t *testing.T, _ *cluster, h *lab.Host) { struck(t)(h.Agent().Thaw()) },
	},
	{
		name:   "the agent is killed",
		strike: func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Agent().Kill()) },
		undo:   func(t *testing.T, _ *cluster, h *lab.Host) { must(t, h.Agent().Start()) },
	},
	{
		name:   "all processes of the host are frozen",
		strike: func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Freeze()) },
		undo:   func(t *testing.T, _ *cluster, h *lab.Host) { struck(t)(h.Thaw()) },
	},
}

// away is how long they last: the kernel of the host answers ARP all the time.
const away = 5 * time.Second

func fenced(mode string) string { return fmt.Sprintf("fence = %q", mode) }

// With a fence in the kernel nobody answers beside the next holder, however long nothing of the agent runs, and
// whatever it does when it goes on. Each of the fences stands alone here.
func TestFenceAlone(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"nftables", "lifetime"} {
		t.Run(mode, func(t *testing.T) {
			c := startCluster(t, lab.Options{ClusterTOML: fenced(mode), VIPTOML: soonHome})
			for i, f := range stopped {
				t.Run(f.name, func(t *testing.T) { c.standsStill(t, c.VIPs[i], f) })
			}
		})
	}
}

// standsStill has something happen to a VIP's home for a while.
func (c *cluster) standsStill(t *testing.T, v lab.VIP, f fault) {
	t.Helper()
	c.awaitHome(t)
	j := c.judge(t)
	at := f.strike(t, c, v.Home)
	c.awaitAway(t, v.Addr, v.Home.Name)
	must(t, c.client.WaitFor(within(t), at.Add(away).Sub(lab.Now())))
	j.report(t, f.name, v.Addr, at)
	back := lab.Now()
	f.undo(t, c, v.Home)
	c.awaitHome(t)
	j.report(t, "back", v.Addr, back)
}

// Without any fence but the end that the kernel makes of an address which nobody refreshes, two hosts answer for as
// long as that takes, unless the unit cleans up after the agent or the agent's next life does. So those are seen to work
// alone, and the tests above to be able to fail.
func TestWithoutAFence(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{ClusterTOML: fenced("off"), VIPTOML: soonHome})
	t.Run("by nobody", func(t *testing.T) {
		v := c.VIPs[0]
		j := c.judgeExcused(t, "nothing closes the address")
		at := struck(t)(v.Home.Agent().Kill())
		c.awaitAway(t, v.Addr, v.Home.Name)
		c.awaitAloneBut(t, v, v.Home)
		j.report(t, "left", v.Addr, at)
		if d := c.watcher.Doubled(v.Addr, at, lab.Now()); d == 0 {
			t.Error("nobody answered beside the next holder: these tests would not notice it")
		}
		must(t, v.Home.Agent().Start())
		c.awaitHome(t)
	})
	t.Run("cleaned up by the unit", func(t *testing.T) {
		v := c.VIPs[1]
		j := c.judge(t)
		at := struck(t)(v.Home.Agent().Kill())
		cleanUp(t, v.Home)
		c.assertOff(t, v)
		c.awaitAway(t, v.Addr, v.Home.Name)
		j.report(t, "cleaned up", v.Addr, at)
		must(t, v.Home.Agent().Start())
		c.awaitHome(t)
	})
	t.Run("swept by the agent's next life", func(t *testing.T) {
		v := c.VIPs[2]
		j := c.judge(t)
		at := struck(t)(v.Home.Agent().Kill())
		must(t, v.Home.Agent().LoseState()) // or it would go on within its lease
		must(t, v.Home.Agent().Start())
		c.awaitAway(t, v.Addr, v.Home.Name)
		j.report(t, "swept", v.Addr, at)
		c.awaitHome(t)
	})
}

// assertOff fails the test if a VIP is on its home's link.
func (c *cluster) assertOff(t *testing.T, v lab.VIP) {
	t.Helper()
	if slices.Contains(addressesOf(t, v.Home), v.Addr) {
		t.Errorf("%s is still on %s", v.Addr, v.Home.Name)
	}
}

// Other hands on what the agent has in the kernel: it is put back, and meanwhile nobody answers beside the holder.
func TestOtherHands(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{VIPTOML: soonHome})

	t.Run("the rules are flushed", func(t *testing.T) {
		v := c.VIPs[0]
		j := c.judge(t)
		at := lab.Now()
		must(t, v.Home.Inside(flushRuleset))
		c.awaitCounter(t, v.Home, "fence_restored", 1)
		j.report(t, "rules flushed", v.Addr, at)
		c.assertNeverLeft(t, v, at)
		c.standsStill(t, v, stopped[0]) // the fence works again
	})
	t.Run("the address is flushed", func(t *testing.T) {
		v := c.VIPs[1]
		j := c.judge(t)
		mark, at := len(v.Home.Agent().Log()), lab.Now()
		flushAddresses(t, v.Home, "to", v.Addr.String())
		c.awaitCounter(t, v.Home, "address_restored", 1)
		must(t, c.client.WaitServed(within(t), v.Addr, v.Home.Name))
		j.report(t, "address flushed", v.Addr, at)
		c.assertNeverLeft(t, v, at)
		if log := v.Home.Agent().Log()[mark:]; !strings.Contains(log, "address put back: somebody had removed it") || !strings.Contains(log, " by=") {
			t.Errorf("the log does not say that and who:\n%s", log)
		}
	})
	t.Run("all addresses are flushed", func(t *testing.T) {
		v := c.VIPs[2]
		j := c.judge(t)
		at := lab.Now()
		flushAddresses(t, v.Home)
		c.awaitAway(t, v.Addr, v.Home.Name)
		j.report(t, "all addresses flushed", v.Addr, at)
		back := lab.Now()
		must(t, v.Home.Run(within(t), "ip", "address", "add", v.Home.Addr.String()+"/24", "dev", "eth0"))
		c.awaitHome(t)
		j.report(t, "back", v.Addr, back)
	})
}

// flushAddresses is `ip address flush dev eth0` on a host. That gives up where the agent has put its own back each time.
func flushAddresses(t *testing.T, h *lab.Host, which ...string) {
	t.Helper()
	err := h.Run(within(t), append([]string{"ip", "address", "flush", "dev", "eth0"}, which...)...)
	if err != nil && !strings.Contains(err.Error(), "Flush remains incomplete") {
		t.Fatal(err)
	}
}

// flushRuleset is `nft flush ruleset` in the namespace of the calling thread.
func flushRuleset() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	conn.FlushRuleset()
	return conn.Flush()
}

// awaitCounter waits until an agent has counted to n at least.
func (c *cluster) awaitCounter(t *testing.T, h *lab.Host, name string, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%s counts %s up to %d", h.Name, name, n), func() bool {
		r, _ := c.status(t, h)
		return r.Counters[name] >= n
	})
}

// assertNeverLeft fails the test if anybody but the home has answered for a VIP.
func (c *cluster) assertNeverLeft(t *testing.T, v lab.VIP, since lab.Instant) {
	t.Helper()
	for _, turn := range c.client.Turns(v.Addr, since, lab.Now()) {
		if turn.Host != v.Home.Name {
			t.Errorf("%s was answered by %s", v.Addr, turn.Host)
		}
	}
}

// A carrier that comes and goes: the home lets go at once, and is no candidate before its link has stayed up for as
// long as a memcached must answer.
func TestCarrierFlaps(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{VIPTOML: soonHome})
	health := c.configured(t).Health
	rise := time.Duration(health.Rise) * health.Interval
	v := c.VIPs[0]
	j := c.judge(t)
	at := struck(t)(c.Unplug(v.Home))
	c.awaitAway(t, v.Addr, v.Home.Name)
	j.report(t, "unplugged", v.Addr, at)
	for range 5 {
		struck(t)(c.HealHost(v.Home))
		must(t, c.client.WaitFor(within(t), rise/3))
		struck(t)(c.Unplug(v.Home))
		must(t, c.client.WaitFor(within(t), rise/3))
	}
	healed := struck(t)(c.HealHost(v.Home))
	c.awaitHome(t)
	turns := c.client.Turns(v.Addr, healed, lab.Now())
	if first := turns[len(turns)-1].First; first.Sub(healed) < rise {
		t.Errorf("at home %v after its link came up, want no less than %v", first.Sub(healed), rise)
	}
	for _, turn := range c.client.Turns(v.Addr, at, healed) {
		if turn.Host == v.Home.Name && turn.Last.Sub(at) > rise {
			t.Errorf("%s answered in between: %v", v.Home.Name, turn)
		}
	}
}
