//go:build package

package installed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstalled takes three hosts from an empty Debian to a package that was purged again.
func TestInstalled(t *testing.T) {
	c := newCluster(t)
	t.Cleanup(func() { fmt.Printf("\nwith a lease of %v:\n%s\n", lease, table(c.rows)) })
	t.Run("enable and start", c.enableAndStart)
	if t.Failed() {
		t.FailNow()
	}
	c.unitScenes(t)
	c.faultScenes(t)
	c.changeScenes(t)
	c.leaveScenes(t)
	t.Run("compared", c.compare)
}

// commandsMax is how many commands may lie between an empty Debian host and a VIP that it serves.
const commandsMax = 6

// keyFile is where the gossip key is on every host.
const keyFile = "/etc/memvip/keys/gossip.key"

// setUp is what a new user types on a host, in order: the README's words. The key is made on the first host and copied to the
// others, and agent.toml is the same on all.
func (c *cluster) setUp(m *machine) []string {
	addresses := []string{"127.0.0.1"}
	for _, v := range c.VIPs {
		addresses = append(addresses, v.Addr.String())
	}
	key := "agentctl keygen --out " + keyFile
	if m.number != 1 {
		key = "install -o memvip -g memvip -m 600 /srv/gossip.key " + keyFile // ssh cache1 cat ... | install ... /dev/stdin ...
	}
	return []string{
		"apt-get install -y memcached /srv/" + filepath.Base(packages[0]),
		"cp /srv/agent.toml /etc/memvip/", // an editor
		key,
		"sed -i 's/^-l .*/-l " + strings.Join(addresses, ",") + "/' /etc/memcached.conf",
		"systemctl restart memcached",
		"systemctl enable --now memvip-agent",
	}
}

// enableAndStart installs the package, which starts nothing, and goes on as it says.
func (c *cluster) enableAndStart(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			c.tell(t)
		}
	})
	var key []byte
	var began moment
	for _, m := range c.machines {
		for _, path := range packages {
			deb, err := os.ReadFile(path)
			must(t, err)
			must(t, m.put(within(t), "/srv/"+filepath.Base(path), 0o644, deb))
		}
		must(t, m.put(within(t), "/srv/agent.toml", 0o644, c.configuration()))
		m.allowUnscheduled(t)
		if m.number != 1 {
			must(t, m.put(within(t), "/srv/gossip.key", 0o600, key))
		}
		commands := c.setUp(m)
		if len(commands) > commandsMax {
			t.Errorf("%d commands from an empty host to a VIP, %d at most are wanted", len(commands), commandsMax)
		}
		for i, command := range commands {
			if i == len(commands)-1 && m.number == len(c.machines) {
				began = c.now(t)
			}
			out := on(t, m, command)
			t.Logf("%s# %s\n%s", m.Name, command, out)
			if i == 0 {
				c.notStarted(t, m, out)
			}
		}
		if m.number == 1 {
			key = []byte(on(t, m, "cat "+keyFile))
		}
	}
	c.well(t)
	began.flushes = make([]flushCount, len(c.machines)) // each memcached has just been started
	c.judge(t, "enable and start, from the last host on", fault, began)
	t.Logf("agentctl doctor:\n%s", on(t, c.machines[0], "agentctl doctor || true"))
}

// notStarted: a package that has just been installed says what to do next, and does nothing by itself.
func (c *cluster) notStarted(t *testing.T, m *machine, said string) {
	t.Helper()
	for _, want := range []string{"agentctl keygen", "/etc/memvip/agent.toml", "systemctl enable --now memvip-agent"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s: the package does not say %q:\n%s", m.Name, want, said)
		}
	}
	out, _ := m.shell(within(t), "systemctl is-enabled memvip-agent; systemctl is-active memvip-agent") // fails, which is what is wanted
	if got := strings.Fields(out); fmt.Sprint(got) != "[disabled inactive]" {
		t.Errorf("%s: after the installation the agent is %v", m.Name, got)
	}
}

// allowUnscheduled has services do without a real-time class where the machine that the test runs on grants none to containers:
// a unit that asks for one would not start.
func (m *machine) allowUnscheduled(t *testing.T) {
	t.Helper()
	out, err := m.shell(within(t), "chrt --rr 10 true")
	if err == nil {
		return
	}
	t.Logf("%s: no real-time class, so the agent has to do without: %s", m.Name, out)
	must(t, m.put(within(t), "-D /etc/systemd/system/service.d/class.conf", 0o644, []byte("[Service]\nCPUSchedulingPolicy=other\n")))
}
