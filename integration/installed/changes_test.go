//go:build package

package installed

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memvip/agent/control"
)

// changeScenes are what an operator changes while all goes on.
func (c *cluster) changeScenes(t *testing.T) {
	c.scene(t, "systemctl restart memvip-agent, on each", still, func(t *testing.T) {
		for _, m := range c.machines {
			on(t, m, "systemctl restart memvip-agent")
			c.well(t)
		}
	})
	c.scene(t, "upgrade of the package, on each", still, c.upgrade)
	c.scene(t, "reload of a good file", still, func(t *testing.T) { c.reload(t, "[health]\nfall = 4") })
	c.scene(t, "reload of a bad file", still, c.reloadBad)
	m := c.machines[1]
	c.scene(t, "systemctl stop memvip-agent", handing, func(t *testing.T) {
		on(t, m, "systemctl stop memvip-agent")
		c.away(t, m)
		on(t, m, "systemctl start memvip-agent")
	})
}

// upgrade installs the newer package, which has the running process go on as the new program.
func (c *cluster) upgrade(t *testing.T) {
	for _, m := range c.machines {
		old, err := m.status(within(t))
		must(t, err)
		before := mainPID(t, m, "memvip-agent")
		t.Log(on(t, m, "apt-get install -y /srv/"+filepath.Base(packages[1])))
		r, err := m.status(within(t))
		must(t, err)
		if r.Build == old.Build || !strings.Contains(filepath.Base(packages[1]), "_"+r.Build+"-") {
			t.Errorf("%s: after the upgrade the agent is %s, was %s", m.Name, r.Build, old.Build)
		}
		if after := mainPID(t, m, "memvip-agent"); after != before {
			t.Errorf("%s: the agent is process %s, was %s", m.Name, after, before)
		}
	}
}

// reload gives all hosts a file with more lines, by each of the ways to tell the agent.
func (c *cluster) reload(t *testing.T, more string) {
	t.Helper()
	before := c.digest(t, c.machines[0])
	for i, m := range c.machines {
		must(t, m.put(within(t), "/etc/memvip/agent.toml", 0o644, c.configuration(more)))
		on(t, m, c.reloadWays()[i])
	}
	ctx := within(t)
	must(t, poll(ctx, 100*time.Millisecond, func() error {
		for _, m := range c.machines {
			r, err := m.status(ctx)
			if err != nil {
				return err
			}
			if r.Config.Digest == before {
				return fmt.Errorf("%s: still runs with the file from before", m.Name)
			}
		}
		return nil
	}))
}

// reloadWays are the ways to have an agent read its file anew, one for each machine.
func (c *cluster) reloadWays() []string {
	return []string{"systemctl reload memvip-agent", "systemctl kill --signal=HUP --kill-who=main memvip-agent", "systemctl reload memvip-agent"}
}

// reloadBad gives all hosts a file that will not do. It is refused, named, and changes nothing.
func (c *cluster) reloadBad(t *testing.T) {
	const signalled = 1 // nobody waits for a signal's outcome
	before := c.digest(t, c.machines[0])
	for i, m := range c.machines {
		good := on(t, m, "cat /etc/memvip/agent.toml")
		must(t, m.put(within(t), "/etc/memvip/agent.toml", 0o644, c.configuration("[health]\nfalls = 4")))
		if way := c.reloadWays()[i]; i == signalled {
			on(t, m, way)
		} else {
			refused(t, m, way)
		}
		ctx := within(t)
		must(t, poll(ctx, 100*time.Millisecond, func() error {
			r, err := m.status(ctx)
			if err == nil && !named(r, "falls") {
				err = fmt.Errorf("%s: status does not name the mistake: %v", m.Name, r.Problems)
			}
			return err
		}))
		if after := c.digest(t, m); after != before {
			t.Errorf("%s: configuration %s, was %s", m.Name, after, before)
		}
		must(t, m.put(within(t), "/etc/memvip/agent.toml", 0o644, []byte(good)))
		on(t, m, c.reloadWays()[0])
	}
}

// named reports whether a status tells of a problem in words that hold the given ones.
func named(r control.Report, words string) bool {
	for _, p := range r.Problems {
		if strings.Contains(fmt.Sprint(p), words) {
			return true
		}
	}
	return false
}

// digest tells which configuration an agent runs with.
func (c *cluster) digest(t *testing.T, m *machine) string {
	t.Helper()
	r, err := m.status(within(t))
	must(t, err)
	return r.Config.Digest
}
