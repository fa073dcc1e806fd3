//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// hookScript writes down what it was told, and hangs. Nobody waits for it that long; it only must not outlive a lab
// whose agents were killed.
const hookScript = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
env | grep '^MEMVIP_' >"new.$$" && mv "new.$$" "told.$$"
exec sleep 60
`

// hooked is a cluster all of whose hooks hang.
type hooked struct {
	*cluster
	dir string
}

// facts are what one hook was told, by variable without its prefix.
type facts map[string]string

// told returns what hooks were told so far.
func (c *hooked) told(t *testing.T) []facts {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(c.dir, "told.*"))
	must(t, err)
	var list []facts
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		f := facts{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			f[strings.TrimPrefix(name, "MEMVIP_")] = value
		}
		list = append(list, f)
	}
	return list
}

// awaitTold waits until a hook has been told these facts, each an expression, and returns all that it was told.
func (c *hooked) awaitTold(t *testing.T, want facts) facts {
	t.Helper()
	var found facts
	await(t, fmt.Sprintf("a hook is told %v", want), func() bool {
		for _, f := range c.told(t) {
			matches := true
			for name, expression := range want {
				matches = matches && regexp.MustCompile("^(?:"+expression+")$").MatchString(f[name])
			}
			if matches {
				found = f
				return true
			}
		}
		return false
	})
	return found
}

// forget has hooks begin anew to write down what they are told.
func (c *hooked) forget(t *testing.T) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(c.dir, "told.*"))
	must(t, err)
	for _, path := range paths {
		must(t, os.Remove(path))
	}
}

// failovers kills each home's memcached in turn, and returns how long its VIP was away each time, the shortest first.
func (c *cluster) failovers(t *testing.T) []time.Duration {
	t.Helper()
	var gaps []time.Duration
	for _, v := range c.VIPs {
		c.awaitHome(t)
		at := struck(t)(v.Home.Instance(v.Addr).Kill())
		c.awaitAway(t, v.Addr, v.Home.Name)
		must(t, c.client.WaitAllServed(within(t), nil))
		r := lab.Measure(c.client, c.watcher, v.Addr, at, lab.Now())
		t.Log(r)
		gaps = append(gaps, r.Gap)
		must(t, v.Home.Instance(v.Addr).Start())
	}
	c.awaitHome(t)
	slices.Sort(gaps)
	return gaps
}

// TestHooks has every hook hang until it is killed. Addresses move as fast as without hooks, and each kind of hook is
// told what happened. The hooks themselves come with a reload, by which nothing moves.
func TestHooks(t *testing.T) {
	c := &hooked{dir: t.TempDir(), cluster: startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome, InstancePerVIP: true, ExtraTOML: "[agent]\nlog = \"json\""})}
	here := c.Hosts[2]
	without := c.failovers(t)
	before := c.awaitTerms(t, here)
	c.addHooks(t, here)
	for i, v := range c.awaitStatus(t, here, int(control.AllWell)).VIPs {
		if v.Epoch != before.VIPs[i].Epoch {
			t.Errorf("%s: epoch %d after the reload, was %d", v.Address, v.Epoch, before.VIPs[i].Epoch)
		}
		f := c.awaitTold(t, facts{"EVENT": "claim", "VIP": v.Address, "REASON": "continue"})
		if f["EPOCH"] != strconv.FormatUint(v.Epoch, 10) || f["NODE"] != v.Home {
			t.Errorf("the claim after a reload is told as %v", f)
		}
	}
	c.forget(t)

	with := c.failovers(t)
	t.Logf("outages without hooks %v, with hooks that hang %v", without, with)
	// A failover that waited for a hook would take as long as a hook may, or for ever.
	if m, n := without[len(without)/2], with[len(with)/2]; n > 3*m+hookTimeout/2 {
		t.Errorf("the median outage is %v with hooks, and %v without", n, m)
	}

	t.Run("claim and release", func(t *testing.T) { c.claimAndRelease(t) })
	t.Run("refusal", func(t *testing.T) { c.refusal(t) })
	t.Run("conflict", func(t *testing.T) { c.conflict(t) })
	t.Run("log", func(t *testing.T) { c.logIsJSON(t) })
	t.Run("an upgrade under hooks that run", func(t *testing.T) { c.upgrade(t) })
}

// hookTimeout is far longer than a failover takes.
const hookTimeout = 500 * time.Millisecond

// addHooks has every agent run hooks from now on.
func (c *hooked) addHooks(t *testing.T, here *lab.Host) {
	t.Helper()
	script := filepath.Join(c.dir, "hook")
	must(t, os.WriteFile(script, []byte(hookScript), 0o755))
	text, err := os.ReadFile(c.Config())
	must(t, err)
	more := fmt.Sprintf("\n[hooks]\nclaim = [%[1]q]\nrelease = [%[1]q]\nrefusal = [%[1]q]\nconflict = [%[1]q]\ntimeout = %[2]q\n", script, hookTimeout)
	must(t, os.WriteFile(c.Config(), append(text, more...), 0o644))
	c.ctl(t, here, 0, regexp.QuoteMeta(`+ hooks.claim = ["`+script+`"]`), "check", c.Config())
	for _, h := range c.Hosts {
		c.ctl(t, here, 0, h.Name+" runs with .* as it is now", "reload", h.Name)
	}
}

// claimAndRelease holds what was told of the failovers to what happened.
func (c *hooked) claimAndRelease(t *testing.T) {
	for _, v := range c.VIPs {
		home := v.Home.Name
		lost := c.awaitTold(t, facts{"EVENT": "release", "VIP": v.Addr.String(), "REASON": "instance_down"})
		taken := c.awaitTold(t, facts{"EVENT": "claim", "VIP": v.Addr.String(), "NODE": lost["PEER"], "REASON": "successor"})
		given := c.awaitTold(t, facts{"EVENT": "release", "VIP": v.Addr.String(), "REASON": "handback"})
		back := c.awaitTold(t, facts{"EVENT": "claim", "VIP": v.Addr.String(), "NODE": home})
		if lost["NODE"] != home || taken["PEER"] != home || given["NODE"] != taken["NODE"] || given["PEER"] != home || back["PEER"] != taken["NODE"] {
			t.Errorf("%s of %s: lost %v, taken %v, given %v, back %v", v.Addr, home, lost, taken, given, back)
		}
		if epochOf(t, lost) >= epochOf(t, taken) || epochOf(t, given) != epochOf(t, taken) || epochOf(t, taken) >= epochOf(t, back) {
			t.Errorf("%s: epochs %s, %s, %s, %s", v.Addr, lost["EPOCH"], taken["EPOCH"], given["EPOCH"], back["EPOCH"])
		}
		for _, f := range []facts{lost, taken, given, back} {
			at, err := time.Parse(time.RFC3339, f["TIME"])
			if err != nil || time.Since(at) > time.Hour || f["CLUSTER"] != "lab" || f["INTERFACE"] != "eth0" || f["HOME"] != home || f["MAC"] != "" || f["TEXT"] == "" {
				t.Errorf("%v", f)
			}
		}
		if !strings.Contains(lost["TEXT"], "memcached is down") {
			t.Errorf("lost in these words: %s", lost["TEXT"])
		}
	}
}

func epochOf(t *testing.T, f facts) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(f["EPOCH"], 10, 64)
	must(t, err)
	return n
}

// refusal has a home whose memcached refuses to be flushed.
func (c *hooked) refusal(t *testing.T) {
	v := c.VIPs[0]
	m := v.Home.Instance(v.Addr)
	m.Args = []string{"-F"}
	struck(t)(m.Kill())
	c.awaitAway(t, v.Addr, v.Home.Name)
	must(t, m.Start())
	f := c.awaitTold(t, facts{"EVENT": "refusal", "VIP": v.Addr.String()})
	if f["NODE"] != v.Home.Name || f["HOME"] != v.Home.Name || f["REASON"] != "unprovable" || !strings.Contains(f["TEXT"], "does not take it") {
		t.Errorf("%v", f)
	}
	c.ctl(t, c.Hosts[1], 0, "does not take it, though it should: memcached cannot be proved empty", "history", "--vip", v.Addr.String())
	m.Args = nil
	struck(t)(m.Kill())
	must(t, m.Start())
	c.awaitHome(t)
}

// upgrade has an agent become itself anew while its hooks hang: the next program kills them when their time is over, and
// buries them.
func (c *hooked) upgrade(t *testing.T) {
	h := c.Hosts[0]
	const lives = 3 // each begins with a claim, whose hook hangs when the next comes
	since := len(h.Agent().Log())
	for range lives {
		before, _ := c.status(t, h)
		struck(t)(h.Agent().Upgrade())
		await(t, h.Name+" lives anew", func() bool {
			s, err := h.Agent().Status(within(t))
			var r control.Report
			return err == nil && json.Unmarshal(s.Raw, &r) == nil && r.Started.After(before.Started)
		})
	}
	await(t, "no hook runs any more", func() bool {
		return len(childrenOf(t, h.Agent().PID())) == 0 && strings.Count(h.Agent().Log()[since:], `"hook":"claim"`) >= lives
	})
	c.awaitHome(t)
}

// childrenOf lists the processes that a process has started and not buried.
func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	must(t, err)
	var list []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil { // else the thread has ended
			list = append(list, strings.Fields(string(text))...)
		}
	}
	return list
}

// conflict has a host that is no member claim a VIP that is held.
func (c *hooked) conflict(t *testing.T) {
	v := c.VIPs[1]
	stranger, err := c.AddStranger(within(t))
	must(t, err)
	must(t, stranger.Announce(v.Addr))
	for _, h := range c.Hosts {
		f := c.awaitTold(t, facts{"EVENT": "conflict", "VIP": v.Addr.String(), "NODE": h.Name})
		if f["MAC"] != stranger.MAC() || f["REASON"] != "foreign_host" || f["PEER"] != "" || (f["EPOCH"] != "") != (h == v.Home) {
			t.Errorf("%v", f)
		}
	}
	c.awaitHome(t)
}

// logIsJSON reads every line that agents have written since they have read the configuration.
func (c *hooked) logIsJSON(t *testing.T) {
	killed := 0
	for _, h := range c.Hosts {
		for line := range strings.Lines(h.Agent().Log()) {
			var l struct{ Time, Level, Msg, Hook, Error string }
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
				t.Errorf("on %s: %v: %s", h.Name, err, line)
			}
			if l.Msg == "hook failed" && l.Hook != "" && strings.Contains(l.Error, "time was over") {
				killed++
			}
		}
	}
	if killed == 0 {
		t.Error("no line tells of a hook that was killed")
	}
}
