//go:build package

package installed

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"memvip/agent/control"
)

// faultScenes are what befalls a host.
func (c *cluster) faultScenes(t *testing.T) {
	c.scene(t, powerCut, fault, c.cutPower)
	m := c.machines[0]
	c.scene(t, "systemctl stop memcached", fault, func(t *testing.T) {
		on(t, m, "systemctl stop memcached")
		c.away(t, m)
		on(t, m, "systemctl start memcached")
	})
	c.scene(t, "kill -9 of memcached", fault, func(t *testing.T) {
		before := mainPID(t, m, "memcached")
		on(t, m, "kill -9 "+before)
		awaitPID(t, m, "memcached", before)
	})
	for _, signal := range []string{"KILL", "ABRT"} { // the latter as systemd's watchdog does it
		c.scene(t, "kill -"+signal+" of the agent", fault, func(t *testing.T) {
			before := mainPID(t, m, "memvip-agent")
			on(t, m, "kill -"+signal+" "+before)
			awaitPID(t, m, "memvip-agent", before)
		})
	}
}

// powerCut is the scene that others are compared with: nothing is quicker than a lease to end.
const powerCut = "power cut"

// cutPower has a host go dark while another is proved clean for its VIP, and boots it again.
func (c *cluster) cutPower(t *testing.T) {
	m := c.machines[2]
	ctx := within(t)
	must(t, poll(ctx, 200*time.Millisecond, func() error {
		r, err := c.machines[0].status(ctx)
		if err != nil {
			return err
		}
		v := r.VIPs[m.number-1]
		if !slices.ContainsFunc(v.Candidates, func(n control.Candidate) bool { return !n.Home && n.Clean }) {
			return fmt.Errorf("nobody is proved clean for %s, so the outage would be a restart's: %v", v.Address, r.Problems)
		}
		t.Logf("reckoned for the loss of a host: %d ms at most", r.Bounds.HostLost)
		return nil
	}))
	_, err := c.PowerOff(m.Host)
	must(t, err)
	c.away(t, m)
	must(t, m.awaitOff(within(t)))
	must(t, c.PowerOn(m.Host))
	must(t, m.start(within(t)))
}
