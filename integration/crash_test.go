//go:build integration

package integration

import (
	"slices"
	"testing"

	"memvip/integration/lab"
)

// The steps of a claim and of a release after which an agent built with the tag "faults" dies, as by kill -9, if its
// environment says so; see the package vip.
var (
	claimSteps   = []string{"open", "add", "announce"}
	releaseSteps = []string{"shut-in", "destroy", "remove", "shut"}
)

func dieAfter(step string) string { return "MEMVIP_DIE_AFTER=" + step }

// An agent that dies at any step of taking an address or of giving it up leaves nobody on it that answers beside the
// next holder, whether it is started again at once, as its unit does, or when another host has the VIP.
func TestAgentDiesAtEachStep(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{
		Agent: built(t, "memvip/cmd/memvip-agent", "-tags", "faults"), VIPTOML: soonHome, InstancePerVIP: true, // so that whoever takes a VIP can be proved clean of it
	})
	const lost = "release of a lost lease"
	turn := 0
	for _, s := range []struct {
		of    string
		steps []string
		die   func(t *testing.T, c *cluster, v lab.VIP, step string) lab.Instant
	}{
		{of: "claim", steps: claimSteps, die: diesClaiming},
		{of: "release", steps: releaseSteps, die: diesReleasing},
		{of: lost, steps: []string{"shut", "remove", "destroy"}, die: diesExpelling},
	} {
		for i, step := range s.steps {
			for _, again := range []bool{false, true} {
				if s.of == lost && again != (i%2 == 0) {
					continue // one way each: little is left to go wrong there
				}
				name := s.of + ", " + step
				if again {
					name += ", started again"
				}
				v := c.VIPs[turn%len(c.VIPs)]
				turn++
				t.Run(name, func(t *testing.T) { c.diesAndRecovers(t, v, s.of, step, again, s.die) })
			}
		}
	}
}

func (c *cluster) diesAndRecovers(t *testing.T, v lab.VIP, of, step string, again bool, die func(*testing.T, *cluster, lab.VIP, string) lab.Instant) {
	j := c.judge(t)
	home, since := v.Home, lab.Now()
	died := die(t, c, v, step)
	home.Agent().SetEnv()
	if !again {
		c.awaitAway(t, v.Addr, home.Name)
		c.awaitAloneBut(t, v, home)
		j.report(t, of+", died after "+step, v.Addr, died)
	}
	back := lab.Now()
	cleanUp(t, home)
	must(t, home.Agent().Start())
	struck(t)(c.Heal())
	c.awaitHome(t)
	if !again { // else it may have moved twice
		j.report(t, "then started again", v.Addr, back)
	}
	if turns := c.client.Turns(v.Addr, since, lab.Now()); len(turns) == 1 {
		t.Errorf("%s was answered by %s alone: nothing happened", v.Addr, turns[0].Host)
	}
}

// awaitAloneBut waits until one host alone answers ARP for a VIP, and it is not the one given.
func (c *cluster) awaitAloneBut(t *testing.T, v lab.VIP, not *lab.Host) {
	t.Helper()
	await(t, "one host answers for "+v.Addr.String()+", and not "+not.Name, func() bool {
		who := c.watcher.Answering(v.Addr)
		return len(who) == 1 && !slices.Contains(who, not.Name)
	})
}

// diesClaiming has the VIP's home come back to it and die in that.
func diesClaiming(t *testing.T, c *cluster, v lab.VIP, step string) lab.Instant {
	t.Helper()
	struck(t)(v.Home.Agent().Kill())
	c.awaitAway(t, v.Addr, v.Home.Name)
	v.Home.Agent().SetEnv(dieAfter(step))
	must(t, v.Home.Agent().Start())
	return c.awaitDeath(t, v.Home)
}

// diesReleasing has the VIP's home told to stop and die in that.
func diesReleasing(t *testing.T, c *cluster, v lab.VIP, step string) lab.Instant {
	t.Helper()
	c.homeWith(t, v, dieAfter(step))
	struck(t)(v.Home.Agent().Term())
	return c.awaitDeath(t, v.Home)
}

// diesExpelling has the VIP's home lose its lease and die in that.
func diesExpelling(t *testing.T, c *cluster, v lab.VIP, step string) lab.Instant {
	t.Helper()
	c.homeWith(t, v, dieAfter(step))
	struck(t)(c.Isolate(v.Home))
	return c.awaitDeath(t, v.Home)
}

// homeWith has the VIP's home take it in a life with another environment.
func (c *cluster) homeWith(t *testing.T, v lab.VIP, variable string) {
	t.Helper()
	struck(t)(v.Home.Agent().Kill())
	c.awaitAway(t, v.Addr, v.Home.Name)
	v.Home.Agent().SetEnv(variable)
	must(t, v.Home.Agent().Start())
	c.awaitHome(t)
}

// awaitDeath waits until a host's agent is dead, and returns when that was seen.
func (c *cluster) awaitDeath(t *testing.T, h *lab.Host) lab.Instant {
	t.Helper()
	select {
	case <-h.Agent().Done():
	case <-within(t).Done():
		t.Fatalf("not in time: the agent on %s dies", h.Name)
	}
	if code := h.Agent().ExitCode(); code != -1 {
		t.Errorf("the agent on %s ended with exit code %d, want a signal", h.Name, code)
	}
	return lab.Now()
}
