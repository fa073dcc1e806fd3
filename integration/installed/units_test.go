//go:build package

package installed

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exposureMax is what systemd-analyze security may find at most, of 10.
const exposureMax = 2.0

// unitScenes look at the units from within a host.
func (c *cluster) unitScenes(t *testing.T) {
	m := c.machines[1]
	t.Run("units", func(t *testing.T) {
		// There are no manual pages' readers on the host.
		if out := on(t, m, "systemd-analyze verify --man=no memvip-agent.service memcached-vip@10.77.0.101.service"); out != "" {
			t.Errorf("systemd-analyze verify:\n%s", out)
		}
		out := on(t, m, "systemd-analyze security memvip-agent.service")
		found := regexp.MustCompile(`Overall exposure level for memvip-agent.service: ([0-9.]+)`).FindStringSubmatch(out)
		if found == nil {
			t.Fatalf("systemd-analyze security:\n%s", out)
		}
		t.Log(found[0])
		if level, err := strconv.ParseFloat(found[1], 64); err != nil || level > exposureMax {
			t.Errorf("exposure %s, %v; at most %.1f is wanted\n%s", found[1], err, exposureMax, out)
		}
		out = on(t, m, "systemctl status memvip-agent --no-pager --lines=0")
		if !regexp.MustCompile(`Status: ".*10\.77\.0\.102`).MatchString(out) {
			t.Errorf("systemctl status does not say what is held:\n%s", out)
		}
		t.Log(out)
		t.Log(on(t, m, "grep -i -e 'locked memory' -e 'realtime priority' /proc/$(systemctl show -p MainPID --value memvip-agent)/limits"))
	})
	t.Run("rights", func(t *testing.T) {
		on(t, m, "useradd --groups memvip oncall && useradd stranger")
		if out := on(t, m, "runuser -u oncall -- agentctl status || [ $? = 1 ]"); !strings.Contains(out, "10.77.0.102") {
			t.Errorf("a member of the group is not told:\n%s", out)
		}
		refused(t, m, "runuser -u stranger -- agentctl status")
		refused(t, m, "runuser -u stranger -- cat "+keyFile)
		refused(t, m, "runuser -u memvip -- systemctl --no-ask-password stop memcached.service")
		refused(t, m, "runuser -u memvip -- systemctl --no-ask-password restart dbus.service")
		refused(t, m, "runuser -u stranger -- systemctl --no-ask-password restart memcached.service")
	})
	c.scene(t, "memcached restarted by the agent's user", fault, func(t *testing.T) {
		before := mainPID(t, m, "memcached")
		on(t, m, "runuser -u memvip -- systemctl --no-ask-password restart memcached.service")
		awaitPID(t, m, "memcached", before)
	})
	c.scene(t, "key from a systemd credential", still, func(t *testing.T) {
		must(t, m.put(within(t), "-D /etc/systemd/system/memvip-agent.service.d/key.conf", 0o644, []byte("[Service]\nLoadCredential=gossip.key:"+keyFile+"\n")))
		on(t, m, `sed -i 's|^key_file.*|key_file = "/run/credentials/memvip-agent.service/gossip.key"|' /etc/memvip/agent.toml`)
		on(t, m, "systemctl daemon-reload && systemctl restart memvip-agent")
		c.well(t)
		on(t, m, "rm -r /etc/systemd/system/memvip-agent.service.d && cp /srv/agent.toml /etc/memvip/")
		on(t, m, "systemctl daemon-reload && systemctl restart memvip-agent")
	})
}

// mainPID is the process id of a unit's main process.
func mainPID(t *testing.T, m *machine, unit string) string {
	t.Helper()
	return strings.TrimSpace(on(t, m, "systemctl show --property=MainPID --value "+unit))
}

// awaitPID waits until a unit runs as another process than before.
func awaitPID(t *testing.T, m *machine, unit, before string) {
	t.Helper()
	ctx := within(t)
	must(t, poll(ctx, 50*time.Millisecond, func() error {
		_, err := m.shell(ctx, "systemctl is-active --quiet "+unit+" && [ $(systemctl show --property=MainPID --value "+unit+") != "+before+" ]")
		return err
	}))
}
