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
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/agent"
	"memvip/agent/control"
	"memvip/configs/mistakes"
	"memvip/integration/lab"
)

// Whatever stands in an agent's configuration while it runs, and whoever reads it there, agentctl check or a
// second agent: it is refused with the exit code and in the very words, and the agent goes on as it was.
func TestRunningAgentIsNotHarmed(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease})
	since, h := lab.Now(), c.Hosts[0]
	for _, h := range c.Hosts {
		c.awaitStatus(t, h, int(control.AllWell))
	}
	c.awaitTerms(t, h)
	before := c.standing(t, h)
	stands := func(t *testing.T) {
		t.Helper()
		if diff := cmp.Diff(before, c.standing(t, h)); diff != "" {
			t.Errorf("the agent on %s does not stand where it stood (-before +now):\n%s", h.Name, diff)
		}
	}

	good, err := os.ReadFile(c.Config())
	must(t, err)
	for _, m := range mistakes.All {
		t.Run(m.Name, func(t *testing.T) {
			c.rewriteConfig(t, m.Text())
			c.refuses(t, 1, m.Says, ctlPath, "check", "agent.toml")
			c.refuses(t, agent.ExitConfig, "memvip-agent: "+m.Says, agentPath, c.secondAgent(h, h.Name, h.Agent().RuntimeDir())...)
			stands(t)
			first, _, _ := strings.Cut(strings.TrimPrefix(m.Says, "agent.toml"), "\n")
			r, _ := c.status(t, h)
			if !slices.ContainsFunc(r.Problems, func(p control.Problem) bool {
				return p.Code == control.ProblemOnDisk && p.Severity == control.SeverityDegraded && strings.Contains(p.Text, first)
			}) {
				t.Errorf("the status does not say what the next start would meet: %+v", r.Problems)
			}
		})
	}
	for _, m := range hostMistakes {
		t.Run(m.name, func(t *testing.T) {
			text := strings.Replace(string(good), m.old, m.new, 1)
			if text == string(good) && m.old != m.new {
				t.Fatalf("the lab's configuration has no %q:\n%s", m.old, good)
			}
			c.rewriteConfig(t, text)
			c.refuses(t, m.code, m.says, agentPath, c.secondAgent(h, m.node, t.TempDir())...)
			stands(t)
		})
	}
	t.Run("second agent in the runtime directory", func(t *testing.T) {
		c.rewriteConfig(t, string(good))
		c.refuses(t, agent.ExitRunning, fmt.Sprintf("pid %d", h.Agent().PID()), agentPath, c.secondAgent(h, h.Name, h.Agent().RuntimeDir())...)
		stands(t)
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

// hostMistakes are those that only a host can tell: the lab's configuration with old replaced by new, the node
// that a second agent is to be, what it says, and its exit code.
var hostMistakes = []struct {
	name, old, new, node, says string
	code                       int
}{
	{"no key file", "gossip.key", "no.key", "cache1", "no.key: no such file", agent.ExitConfig},
	{"VIP that no interface fits", "10.77.0.102", "192.0.2.102", "cache1", "192.0.2.102", agent.ExitPlace},
	{"node that is not in the file", "", "", "cache9", `"cache9" is neither voter nor node`, agent.ExitConfig},
}

// standing is what an agent is and holds, without what time alone changes.
type standing struct {
	PID       int
	Started   time.Time
	Digest    string // of the configuration in force
	VIPs      map[string]held
	Addresses []control.Address
}

// held says who holds a VIP, and in which term of how many.
type held struct {
	Holder string
	Epoch  uint64
	Served bool
}

func (c *cluster) standing(t *testing.T, h *lab.Host) standing {
	t.Helper()
	r, _ := c.status(t, h)
	s := standing{h.Agent().PID(), r.Started, r.Config.Digest, map[string]held{}, r.Addresses}
	for _, v := range r.VIPs {
		s.VIPs[v.Address] = held{v.Holder, v.Epoch, v.Served}
	}
	return s
}

// rewriteConfig puts a text where all agents have their configuration.
func (c *cluster) rewriteConfig(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(c.Config(), []byte(text), 0o644))
}

// secondAgent is how a second agent is started beside a host's own, as that node.
func (c *cluster) secondAgent(h *lab.Host, node, runtimeDir string) []string {
	return []string{"--config", "agent.toml", "--node", node, "--runtime-dir", runtimeDir, "--netns", h.Netns()}
}

// refuses runs a program in the configuration's folder. It must end with the exit code and say on standard error
// what it is to say.
func (c *cluster) refuses(t *testing.T, code int, says string, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(within(t), program, args...)
	cmd.Dir = c.Dir()
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		must(t, err)
	}
	if got != code || !strings.Contains(said.String(), says) {
		t.Errorf("%s %s: exit code %d, want %d and %q; it said:\n%s", filepath.Base(program), strings.Join(args, " "), got, code, says, said.String())
	}
}
