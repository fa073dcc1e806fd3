//go:build package

package installed

import "testing"

// faultScenes are what befalls a host.
func (c *cluster) faultScenes(t *testing.T) {
	m := c.machines[0]
	c.scene(t, "systemctl stop memcached", !still, func(t *testing.T) {
		on(t, m, "systemctl stop memcached")
		c.away(t, m)
		on(t, m, "systemctl start memcached")
	})
	c.scene(t, "kill -9 of memcached", !still, func(t *testing.T) {
		before := mainPID(t, m, "memcached")
		on(t, m, "kill -9 "+before)
		awaitPID(t, m, "memcached", before)
	})
	c.scene(t, "kill -9 of the agent", !still, func(t *testing.T) {
		before := mainPID(t, m, "memvip-agent")
		on(t, m, "kill -9 "+before)
		awaitPID(t, m, "memvip-agent", before)
	})
	c.scene(t, "power cut", !still, func(t *testing.T) {
		_, err := c.PowerOff(m.Host)
		must(t, err)
		must(t, m.awaitOff(within(t)))
		c.away(t, m)
		must(t, c.PowerOn(m.Host))
		must(t, m.start(within(t)))
	})
}
