//go:build package

package installed

import "testing"

// leaveScenes take the package off a host, for good.
func (c *cluster) leaveScenes(t *testing.T) {
	m := c.machines[2]
	c.leaving(t, "remove", m, func(t *testing.T) {
		t.Log(on(t, m, "apt-get remove -y memvip"))
		c.away(t, m)
		on(t, m, "[ ! -e /usr/sbin/memvip-agent ] && [ -e /etc/memvip/agent.toml ] && [ -e "+keyFile+" ]")
		refused(t, m, "systemctl is-active memvip-agent")
	})
	c.leaving(t, "purge", m, func(t *testing.T) {
		t.Log(on(t, m, "apt-get purge -y memvip"))
		for _, trace := range []string{
			"find / -xdev -path /srv -prune -o -path /var/log -prune -o -name '*memvip*' -print", "nft list tables | grep memvip", "getent passwd memvip", "getent group memvip",
			"find /run /etc/systemd -name '*memvip*'", "pgrep -a memvip", "ip -oneline address | grep -F 10.77.0.103",
		} {
			if out, _ := m.shell(within(t), trace); out != "" { // that grep finds nothing is what is wanted
				t.Errorf("purged, and %s still finds:\n%s", trace, out)
			}
		}
	})
}

// leaving is a scene after which a host is no longer one of the cluster's: its VIP is served by another.
func (c *cluster) leaving(t *testing.T, name string, m *machine, act func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Cleanup(func() {
			if t.Failed() {
				c.tell(t)
			}
		})
		began := c.now(t)
		act(t)
		for _, v := range c.VIPs {
			must(t, c.client.WaitServed(within(t), v.Addr, ""))
		}
		c.judge(t, name, handing, began)
	})
}
