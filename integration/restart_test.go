//go:build integration

package integration

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// How each way of exchanging an agent is tried. The promised figures are measured with
// -restarts 50 -restart-lease 600ms -restart-gap 50ms.
var (
	restarts     = flag.Int("restarts", 2, "how often each way of exchanging an agent is tried")
	restartLease = flag.Duration("restart-lease", patientLease, "the lease with which that is tried")
	restartGap   = flag.Duration("restart-gap", 0, "how long clients may go without an answer, beside stalls of their own; 0: not judged, since machines stall")
)

// keepAddresses has an agent that is told to stop leave its addresses to the next one.
const keepAddresses = "[agent]\nstop = \"keep\"\n"

// exchange is one way to put a new life of an agent into the place of the present one.
type exchange struct {
	name    string
	inPlace bool // as another build, in the same process
	do      func(t *testing.T, h *lab.Host) lab.Instant
}

var exchanges = []exchange{
	{"told to stop, cleaned up after and started", false, func(t *testing.T, h *lab.Host) lab.Instant {
		at := leave(t, h)
		cleanUp(t, h)
		must(t, h.Agent().Start())
		return at
	}},
	{"upgraded in place", true, func(t *testing.T, h *lab.Host) lab.Instant { return struck(t)(h.Agent().Upgrade()) }},
	{"killed, cleaned up after and started", false, func(t *testing.T, h *lab.Host) lab.Instant {
		at := struck(t)(h.Agent().Kill())
		cleanUp(t, h)
		must(t, h.Agent().Start())
		return at
	}},
	{"killed and started", false, func(t *testing.T, h *lab.Host) lab.Instant {
		at := struck(t)(h.Agent().Kill())
		must(t, h.Agent().Start())
		return at
	}},
}

// leave has an agent leave with its addresses up.
func leave(t *testing.T, h *lab.Host) lab.Instant {
	t.Helper()
	at := struck(t)(h.Agent().Term())
	<-h.Agent().Done()
	if code := h.Agent().ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	return at
}

// cleanUp does what the unit does after an agent's death.
func cleanUp(t *testing.T, h *lab.Host) {
	t.Helper()
	cmd := exec.CommandContext(within(t), agentPath, "cleanup", "--runtime-dir", h.Agent().RuntimeDir(), "--netns", h.Netns())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("cleanup on %s: %v\n%s", h.Name, err, out)
	}
}

// However an agent is exchanged for another within its lease, no VIP moves, nothing is flushed, and no client's
// operation fails.
func TestAgentIsExchangedWithinItsLease(t *testing.T) {
	p := newProgram(t)
	c := startCluster(t, lab.Options{Agent: p.path, Lease: *restartLease, VIPTOML: soonHome, ExtraTOML: keepAddresses})
	for _, e := range exchanges {
		t.Run(e.name, func(t *testing.T) {
			j := c.judge(t)
			kept := c.fill(t)
			var gaps []time.Duration
			for i := range *restarts {
				gaps = append(gaps, c.exchanged(t, j, p, e, c.VIPs[i%len(c.VIPs)]))
			}
			kept.assert(t)
			slices.Sort(gaps)
			t.Logf("%d times %s, lease %v: longest gap of a VIP's answers %v at most, %v in the middle", len(gaps), e.name, *restartLease,
				gaps[len(gaps)-1], gaps[len(gaps)/2])
		})
	}
}

// exchanged has a VIP's home get another life of its agent, and returns the longest time that its clients had no
// answer.
func (c *cluster) exchanged(t *testing.T, j *judgement, p *program, e exchange, v lab.VIP) time.Duration {
	t.Helper()
	before, _ := c.status(t, v.Home)
	pid, build := v.Home.Agent().PID(), before.Build
	if e.inPlace {
		build = p.install(t, before.Build)
	}
	at := e.do(t, v.Home)
	after := c.awaitLife(t, v, before)
	back := lab.Now().Sub(at)
	must(t, c.client.WaitFor(within(t), *restartLease)) // a lease that nobody renewed would be over

	r := lab.Measure(c.client, c.watcher, v.Addr, at, lab.Now())
	t.Logf("%s: held again after %v: %v", v.Home.Name, back, r)
	if r.Failed > 0 || *restartGap > 0 && r.Gap-r.Stalled > *restartGap {
		t.Errorf("%s: %d operations failed, no answer for %v", v.Addr, r.Failed, r.Gap)
	}
	if now := v.Home.Agent().PID(); now == pid != e.inPlace || e.inPlace && after.Build != build {
		t.Errorf("pid %d, was %d; build %q, was %q", now, pid, after.Build, before.Build)
	}
	for _, v := range c.VIPs {
		if turns := c.client.Turns(v.Addr, at, lab.Now()); len(turns) != 1 || turns[0].Host != v.Home.Name {
			t.Errorf("%s answered by %v, want %s alone", v.Addr, turns, v.Home.Name)
		}
	}
	if was, is := before.VIPs[v.Index].Epoch, after.VIPs[v.Index].Epoch; was != is {
		t.Errorf("%s is held in term %d, was in %d", v.Addr, is, was)
	}
	return r.Gap
}

// An agent that leaves with its addresses up, and after which none comes, is as good as dead when its lease is over:
// another host serves its VIP, and nobody answers beside that one.
func TestNobodyComesAfterAnAgentThatLeft(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{VIPTOML: soonHome, ExtraTOML: keepAddresses})
	for i, v := range c.VIPs {
		j := c.judge(t)
		at := leave(t, v.Home)
		if i > 0 { // as a unit would
			cleanUp(t, v.Home)
		}
		c.awaitAway(t, v.Addr, v.Home.Name)
		j.report(t, "left by its agent", v.Addr, at)
		must(t, v.Home.Agent().Start())
		c.awaitHome(t)
	}
}

// awaitLife waits until another life of a home's agent than the one of the report holds the VIP.
func (c *cluster) awaitLife(t *testing.T, v lab.VIP, before control.Report) (now control.Report) {
	t.Helper()
	await(t, v.Home.Name+"'s next life holds "+v.Addr.String(), func() bool {
		out, _, err := v.Home.Agent().Ctl(within(t), "status", "--json")
		must(t, err)
		var r control.Report
		if json.Unmarshal(out, &r) != nil {
			return false // not listening now
		}
		now = r
		return now.Started.After(before.Started) && now.VIPs[v.Index].Holder == v.Home.Name && now.VIPs[v.Index].Served
	})
	return now
}

// program is an agent's file, of which there are two builds.
type program struct {
	path   string
	builds map[string]string // files, by what the build calls itself
}

// newProgram begins with the build that calls itself "first".
func newProgram(t *testing.T) *program {
	t.Helper()
	p := &program{path: filepath.Join(t.TempDir(), "memvip-agent"), builds: map[string]string{}}
	for _, name := range []string{"first", "second"} {
		p.builds[name] = built(t, "memvip/cmd/memvip-agent", "-ldflags", "-X memvip/agent.stamped="+name)
	}
	p.install(t, "second")
	return p
}

// install puts the other build than the one named into the program's place, and returns what it calls itself.
func (p *program) install(t *testing.T, not string) (build string) {
	t.Helper()
	build = "first"
	if not == build {
		build = "second"
	}
	if err := os.Remove(p.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	must(t, os.Link(p.builds[build], p.path))
	return build
}

// replace puts a file into the program's place, and returns what puts the program back.
func (p *program) replace(t *testing.T, content string, mode os.FileMode) (back func()) {
	t.Helper()
	aside := p.path + ".aside"
	must(t, os.Rename(p.path, aside))
	must(t, os.WriteFile(p.path, []byte(content), mode))
	return func() { must(t, os.Rename(aside, p.path)) }
}

// Whatever lies in an agent's place that will not do, and whatever stands in its configuration: an agent that is
// asked to go on as that says why it does not, and nothing changes. A good one is still taken.
func TestUpgradeThatWillNotDo(t *testing.T) {
	p := newProgram(t)
	c := startCluster(t, lab.Options{Agent: p.path, Lease: patientLease})
	since, h := lab.Now(), c.Hosts[0]
	good, err := os.ReadFile(c.Config())
	must(t, err)
	c.awaitTerms(t, h)
	before := c.standing(t, h)

	for _, bad := range []struct {
		name string
		make func(t *testing.T) (back func())
		says string
	}{
		{"not there", func(t *testing.T) func() {
			back := p.replace(t, "", 0o755)
			must(t, os.Remove(p.path))
			return back
		}, "no such file or directory"},
		{"not executable", func(t *testing.T) func() { return p.replace(t, "#!/bin/sh\n", 0o644) }, "permission denied"},
		{"no program", func(t *testing.T) func() { return p.replace(t, "\x7fELF cut off", 0o755) }, "exec format error"},
		{"another program", func(t *testing.T) func() { return p.replace(t, "#!/bin/sh\necho what is check? >&2\nexit 1\n", 0o755) }, "what is check?"},
		{"a mistake in the configuration", func(t *testing.T) func() {
			c.rewriteConfig(t, strings.Replace(string(good), "[memcached]", "[memcashed]", 1))
			return func() { c.rewriteConfig(t, string(good)) }
		}, "memcashed: unknown key"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			mark := len(h.Agent().Log())
			back := bad.make(t)
			struck(t)(h.Agent().Upgrade())
			await(t, fmt.Sprintf("%s says %q", h.Name, bad.says), func() bool {
				log := h.Agent().Log()[mark:]
				return strings.Contains(log, "upgrade refused, nothing changes") && strings.Contains(log, bad.says)
			})
			back()
			if now := c.standing(t, h); now.PID != before.PID || !now.Started.Equal(before.Started) || fmt.Sprint(now.VIPs) != fmt.Sprint(before.VIPs) {
				t.Errorf("stands at %+v, stood at %+v", now, before)
			}
		})
	}

	report, _ := c.status(t, h)
	build := p.install(t, report.Build)
	struck(t)(h.Agent().Upgrade())
	if after := c.awaitLife(t, c.VIPs[0], report); after.Build != build {
		t.Errorf("build %q after the upgrade, want %q", after.Build, build)
	}
	for _, v := range c.VIPs {
		if turns := c.client.Turns(v.Addr, since, lab.Now()); len(turns) != 1 || turns[0].Host != v.Home.Name {
			t.Errorf("%s answered by %v, want %s alone", v.Addr, turns, v.Home.Name)
		}
	}
}
