//go:build integration

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memvip/agent"
	"memvip/agent/control"
	"memvip/integration/lab"
)

// noAgent is agentctl's exit code where no agent answers; the others are control's verdicts.
const noAgent = 3

// What status says, and its exit code, from all well to nobody there.
func TestStatus(t *testing.T) {
	c := startCluster(t, lab.Options{VIPTOML: soonHome})
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

// badConfigs are the lab's configuration with old replaced by new, and a part of what is said about it.
var badConfigs = []struct{ name, old, new, want string }{
	{"unknown key", "[memcached]\n", "[memcached]\nadress = \"127.0.0.1:1\"\n", "adress"},
	{"wrong type", "\"lab\"", "7", "name"},
	{"lease too short", "[cluster]\n", "[cluster]\nlease = \"10ms\"\n", "lease"},
	{"lease without unit", "[cluster]\n", "[cluster]\nlease = 600\n", "lease"},
	{"two voters", ", cache3 = \"10.77.0.13\"", "", "witness"},
	{"doubled VIP", "10.77.0.102", "10.77.0.101", "10.77.0.101"},
	{"home that nobody is", "home     = \"cache3\"", "home     = \"cache9\"", "cache9"},
	{"missing key file", "gossip.key", "no.key", "no.key"},
	{"not TOML", "[memcached]", "[memcached", "TOML"},
	{"unknown table", "[memcached]", "[memcached2]", "memcached2"},
	{"no address", "address  = \"10.77.0.103\"\n", "", "address"},
	{"VIP that is a node's address", "10.77.0.101", "10.77.0.11", "10.77.0.11"},
}

// Bad configurations beside a running agent, and second agents started with them or with the good one, end
// with their exit codes and in words, and nothing moves.
func TestRunningAgentIsNotHarmed(t *testing.T) {
	c := startCluster(t, lab.Options{})
	since, h := lab.Now(), c.Hosts[0]
	for _, bad := range badConfigs {
		t.Run(bad.name, func(t *testing.T) {
			path := c.badConfig(t, bad.old, bad.new)
			assertRefusal(t, 1, bad.want, ctlPath, "check", path)
			assertRefusal(t, agent.ExitConfig, bad.want, agentPath,
				"--config", path, "--node", h.Name, "--runtime-dir", h.Agent().RuntimeDir(), "--netns", h.Name)
		})
	}
	t.Run("VIP that no interface fits", func(t *testing.T) {
		path := c.badConfig(t, "10.77.0.102", "192.0.2.102")
		assertRefusal(t, agent.ExitConfig, "192.0.2.102", agentPath,
			"--config", path, "--node", h.Name, "--runtime-dir", t.TempDir(), "--netns", h.Name)
	})
	t.Run("node that is not in the file", func(t *testing.T) {
		assertRefusal(t, agent.ExitConfig, "cache9", agentPath,
			"--config", c.Config(), "--node", "cache9", "--runtime-dir", t.TempDir(), "--netns", h.Name)
	})
	t.Run("second agent in the runtime directory", func(t *testing.T) {
		assertRefusal(t, agent.ExitRunning, fmt.Sprintf("pid %d", h.Agent().PID()), agentPath,
			"--config", c.Config(), "--node", h.Name, "--runtime-dir", h.Agent().RuntimeDir(), "--netns", h.Name)
	})

	for _, v := range c.VIPs {
		if turns := c.client.Turns(v.Addr, since, lab.Now()); len(turns) != 1 || turns[0].Host != v.Home.Name {
			t.Errorf("%s answered by %v, want %s alone", v.Addr, turns, v.Home.Name)
		}
	}
	for _, h := range c.Hosts {
		c.awaitStatus(t, h, int(control.AllWell))
	}
}

// badConfig writes the lab's configuration with a change.
func (c *cluster) badConfig(t *testing.T, old, new string) string {
	t.Helper()
	good, err := os.ReadFile(c.Config())
	must(t, err)
	text := strings.Replace(string(good), old, new, 1)
	if text == string(good) {
		t.Fatalf("the lab's configuration has no %q:\n%s", old, good)
	}
	path := filepath.Join(t.TempDir(), "agent.toml")
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// assertRefusal runs a program that must end with the exit code and say want on standard error.
func assertRefusal(t *testing.T, code int, want string, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(within(t), program, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		must(t, err)
	}
	if got != code || !strings.Contains(said.String(), want) {
		t.Errorf("%s %s: exit code %d, want %d and %q; it said:\n%s", filepath.Base(program), strings.Join(args, " "), got, code, want, said.String())
	}
}
