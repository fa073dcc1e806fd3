//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// noAgent is agentctl's exit code where no agent answers; the others are control's verdicts.
const noAgent = 3

// What status says, and its exit code, from all well to nobody there.
func TestStatus(t *testing.T) {
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome})
	for _, h := range c.Hosts {
		r := c.awaitStatus(t, h, int(control.AllWell))
		for _, v := range r.VIPs {
			if v.Place != control.PlaceHome || !v.Served || v.WhyCode != control.WhyAtHome {
				t.Errorf("%s says of %s: %s, served %v, %s", h.Name, v.Address, v.Place, v.Served, v.WhyCode)
			}
		}
	}

	v := c.VIPs[0]
	struck(t)(v.Home.Memcached().Kill())
	standIn := c.awaitAway(t, v.Addr, v.Home.Name)
	for _, h := range c.Hosts {
		c.awaitVIP(t, h, control.Degraded, v, control.PlaceAway, standIn, "home_instance_down")
	}

	for _, h := range c.Hosts[1:] {
		struck(t)(h.Memcached().Kill())
	}
	for _, h := range c.Hosts {
		c.awaitVIP(t, h, control.Unserved, v, control.PlaceUnserved, "", control.WhyNobodyMay)
	}

	for _, h := range c.Hosts {
		must(t, h.StartMemcached())
	}
	c.awaitHome(t) // degraded all the same where one host had guests before the others were back: it is tainted for them
	for _, h := range c.Hosts {
		await(t, h.Name+" says that every VIP is at home", func() bool {
			r, code := c.status(t, h)
			return code < int(control.Unserved) && !slices.ContainsFunc(r.VIPs, func(x control.VIP) bool {
				return !x.Served || x.Place != control.PlaceHome || x.WhyCode != control.WhyAtHome
			})
		})
	}

	gone := c.Hosts[2].Agent()
	struck(t)(gone.Term())
	<-gone.Done()
	out, code, err := gone.Ctl(within(t), "status")
	must(t, err)
	if code != noAgent || !strings.Contains(string(out), gone.Socket()) {
		t.Errorf("status without an agent: exit code %d, want %d and the socket named:\n%s", code, noAgent, out)
	}
}

// awaitVIP waits until the agent of a host gives the verdict, and says this of a VIP.
func (c *cluster) awaitVIP(t *testing.T, h *lab.Host, verdict control.Verdict, v lab.VIP, place control.Place, holder string, why control.WhyCode) {
	t.Helper()
	await(t, fmt.Sprintf("%s says that %s is %s (%s), exit code %d", h.Name, v.Addr, place, why, verdict), func() bool {
		r, code := c.status(t, h)
		said := r.VIPs[v.Index]
		return code == int(verdict) && r.Verdict == verdict && r.VerdictText != "" && len(r.Problems) > 0 &&
			said.Place == place && said.Holder == holder && said.WhyCode == why && said.Why != ""
	})
}
