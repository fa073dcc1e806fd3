//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// ctl runs agentctl in a host's namespace against its agent, and demands an exit code and what it says.
func (c *cluster) ctl(t *testing.T, h *lab.Host, code int, says string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(within(t), ctlPath, append(args, "--socket", h.Agent().Socket())...)
	var out []byte
	must(t, h.Inside(func() (err error) {
		out, err = cmd.CombinedOutput()
		if cmd.ProcessState != nil {
			return nil // its exit code is judged below
		}
		return err
	}))
	record(t, h, strings.Join(args, " "), string(out))
	text := strings.Join(strings.Fields(string(out)), " ")
	if got := cmd.ProcessState.ExitCode(); got != code || !regexp.MustCompile(says).MatchString(text) {
		t.Errorf("on %s: agentctl %s: exit code %d, want %d and /%s/:\n%s", h.Name, strings.Join(args, " "), got, code, says, out)
	}
	return text
}

// TestOperator carries every command of an operator through, from another node than the one that it is about, and says
// it twice.
func TestOperator(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome, InstancePerVIP: true})
	here, v := c.Hosts[2], c.VIPs[0]
	home, other := v.Home.Name, c.Hosts[1].Name
	address := v.Addr.String()
	c.awaitStatus(t, here, int(control.AllWell))

	t.Run("drain", func(t *testing.T) {
		c.ctl(t, here, 0, home+" is drained; agentctl undrain", "drain", home)
		c.ctl(t, here, 0, "is drained already", "drain", home)
		c.ctl(t, here, 1, home+" is being drained and takes no VIP hint: agentctl undrain "+home, "status")
		c.ctl(t, here, 0, home+" may take VIPs again", "undrain", home)
		c.ctl(t, here, 0, "is not being drained", "undrain", home)
		c.awaitStatus(t, here, int(control.AllWell))
	})
	t.Run("move", func(t *testing.T) {
		c.ctl(t, here, 1, "would go home to "+home+" again by itself .*hint: agentctl pause", "move", address, other)
		c.ctl(t, here, 0, "hand-backs are paused", "pause")
		c.ctl(t, here, 0, address+" is at "+other, "move", address, other)
		c.ctl(t, here, 0, "already", "move", address, other)
		c.ctl(t, here, 1, "hand-backs are paused.*agentctl resume", "status")
		c.ctl(t, here, 0, address+" is at its home "+home, "handback", address)
		c.ctl(t, here, 0, "already", "handback", address)
		c.ctl(t, here, 0, "go on by themselves", "resume")
		c.awaitStatus(t, here, int(control.AllWell))
	})
	t.Run("flush", func(t *testing.T) {
		c.ctl(t, here, 64, "--yes", "flush", home)
		c.ctl(t, here, 0, "memcached .* on "+home+" was sent flush_all", "flush", home, "--yes")
		c.awaitStatus(t, here, int(control.AllWell))
	})
	t.Run("drill", func(t *testing.T) {
		said := c.ctl(t, here, 0, "at home, longest time without an answer .* the drill took", "drill", address, "--yes", "--port", strconv.Itoa(lab.Port))
		t.Log(said)
		c.awaitStatus(t, here, int(control.AllWell))
		c.ctl(t, here, 0, "drained", "drain", other)
		c.ctl(t, here, 1, "no drill while the cluster is not well", "drill", address, "--yes")
		c.ctl(t, here, 0, "may take", "undrain", other)
	})
	t.Run("nonsense", func(t *testing.T) {
		c.ctl(t, here, 1, "no node nowhere is configured; there are "+c.Hosts[0].Name, "drain", "nowhere")
		c.ctl(t, here, 1, "no VIP 10.9.9.9 is configured; there are "+address, "handback", "10.9.9.9")
	})
}

// TestReload changes the configuration of every host: a good one is taken up and nothing moves, a bad one changes
// nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome, InstancePerVIP: true})
	here := c.Hosts[2]
	before := c.awaitTerms(t, here)
	text, err := os.ReadFile(c.Config())
	must(t, err)
	must(t, os.WriteFile(c.Config(), append(slices.Clone(text), "\n[health]\nfalls = 3\n"...), 0o644))
	for _, h := range c.Hosts {
		c.ctl(t, here, 1, "falls", "reload", h.Name)
	}
	must(t, os.WriteFile(c.Config(), append(slices.Clone(text), "\n[health]\nfall = 4\n"...), 0o644))
	c.ctl(t, here, 0, regexp.QuoteMeta("health.fall = 4"), "check", c.Config())
	c.ctl(t, here, 0, c.Hosts[0].Name+" runs with .* as it is now", "reload", c.Hosts[0].Name)
	c.ctl(t, here, 1, "nodes run with different configurations: .*agentctl reload", "status")
	for _, h := range c.Hosts[1:] {
		c.ctl(t, here, 0, h.Name+" runs with .* as it is now", "reload", h.Name)
	}
	c.ctl(t, here, 0, "nothing in it is new", "reload")
	after := c.awaitStatus(t, here, int(control.AllWell))
	for i, v := range after.VIPs {
		if was := before.VIPs[i]; v.Epoch != was.Epoch {
			t.Errorf("%s: epoch %d after the reloads, was %d", v.Address, v.Epoch, was.Epoch)
		}
	}
}

// TestReloadOfVIPs takes a VIP out of every host's configuration, puts it back, and gives another to a new home. Nothing
// happens to those that no change is about.
func TestReloadOfVIPs(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome, InstancePerVIP: true})
	here, last := c.Hosts[2], c.VIPs[2]
	epochs := map[string]uint64{}
	for _, v := range c.awaitTerms(t, here).VIPs {
		epochs[v.Address] = v.Epoch
	}
	text, err := os.ReadFile(c.Config())
	must(t, err)
	reload := func(what, config string, stay ...lab.VIP) control.Report {
		t.Helper()
		c.rewriteConfig(t, config)
		for _, h := range c.Hosts {
			c.ctl(t, here, 0, h.Name+" runs with .* as it is now", "reload", h.Name)
		}
		r := c.awaitStatus(t, here, int(control.AllWell))
		for _, v := range stay {
			if now, ok := r.FindVIP(v.Addr.String()); !ok || now.Epoch != epochs[now.Address] {
				t.Errorf("%s: %s has epoch %d, was %d", what, v.Addr, now.Epoch, epochs[v.Addr.String()])
			}
		}
		return r
	}

	begins := strings.Index(string(text), fmt.Sprintf("[[vip]]\naddress  = %q", last.Addr))
	if begins < 0 {
		t.Fatalf("no %s in\n%s", last.Addr, text)
	}
	if r := reload("without it", string(text[:begins]), c.VIPs[:2]...); len(r.VIPs) != 2 {
		t.Errorf("%d VIPs after one was taken out", len(r.VIPs))
	}
	for _, h := range c.Hosts {
		r, _ := c.status(t, h)
		for _, a := range r.Addresses {
			if strings.HasPrefix(a.Prefix, last.Addr.String()+"/") {
				t.Errorf("%s is still on %s", last.Addr, h.Name)
			}
		}
	}
	reload("with it again", string(text), c.VIPs[:2]...)

	moved := c.VIPs[1]
	old := fmt.Sprintf("address  = %q\nhome     = %q", moved.Addr, moved.Home.Name)
	config := strings.Replace(string(text), old, fmt.Sprintf("address  = %q\nhome     = %q", moved.Addr, here.Name), 1)
	if v, ok := reload("at another home", config, c.VIPs[0]).FindVIP(moved.Addr.String()); !ok || v.Holder != here.Name || !v.AtHome {
		t.Errorf("%s is at %s, its new home is %s", moved.Addr, v.Holder, here.Name)
	}
}

// TestOperatorMeetsTheDead: a command that is about a node whose agent is dead or frozen, or that is cut off, gives up
// in its time and says whose fault it is.
func TestOperatorMeetsTheDead(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome, InstancePerVIP: true})
	here, there, v := c.Hosts[0], c.Hosts[1], c.VIPs[1]
	// What each command does that is about a node which does not answer: its exit codes, and whose fault it is.
	try := func(says string) {
		t.Helper()
		c.awaitAway(t, v.Addr, there.Name)
		await(t, there.Name+" is not heard any more", func() bool {
			r, _ := c.status(t, here)
			n, _ := r.FindNode(there.Name)
			return n.Silent
		})
		asks := []string{"--timeout", "3s"}
		for _, command := range [][]string{
			{"reload", there.Name}, {"drain", there.Name}, {"undrain", there.Name}, {"flush", there.Name, "--yes"}, {"handback", v.Addr.String()},
		} {
			c.ctl(t, here, 3, says+".*hint: on that host", append(command, asks...)...)
		}
		c.ctl(t, here, 1, there.Name+" cannot serve .*"+there.Name+" is not heard|would go home", append([]string{"move", c.VIPs[0].Addr.String(), there.Name}, asks...)...)
		c.ctl(t, here, 0, there.Name, append([]string{"explain", there.Name}, asks...)...)
		c.ctl(t, here, 0, there.Name+" is missing: "+says, append([]string{"history"}, asks...)...)
		c.ctl(t, here, 2, there.Name, "doctor", "--timeout", "12s")
	}
	struck(t)(there.Agent().Freeze())
	try(there.Name + " has not answered within .*frozen")
	struck(t)(there.Agent().Thaw())
	c.awaitHome(t)
	struck(t)(c.Cut(there))
	try(there.Name + " .*(not reached|not answered)")
	struck(t)(c.Heal())
	c.awaitHome(t)
	struck(t)(there.Agent().Kill())
	<-there.Agent().Done()
	try(there.Name + " is there, but no agent answers on it")
	c.ctl(t, there, 3, "nobody listens any more", "drain", here.Name)
}

// TestLookingDeeper asks the three commands that look deeper, while memcached on one host is dead.
func TestLookingDeeper(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome})
	here, v := c.Hosts[1], c.VIPs[0]
	home, address := v.Home.Name, v.Addr.String()
	c.awaitStatus(t, here, int(control.AllWell))
	struck(t)(v.Home.Memcached().Kill())
	standIn := c.awaitAway(t, v.Addr, home)
	c.awaitVIP(t, here, control.Degraded, v, control.PlaceAway, standIn, "home_instance_down")

	c.ctl(t, here, 0, "away from its home "+home+": "+standIn+" serves it.*granted by .*"+home+" cannot take it: memcached on "+home+" is down.*agentctl history --vip "+address, "explain", address)
	c.ctl(t, here, 0, home+" holds no VIP.*memcached on "+home+" is down", "explain", home)
	c.ctl(t, here, 0, home+" "+address+" lets it go after .*memcached is down.*"+standIn+" "+address+" serves it", "history", "--vip", address)
	c.ctl(t, here, 64, "neither a VIP nor a node", "explain", "nothing")
	out := c.ctl(t, here, 2, "memcached.*(refused|does not answer).*why: .*mend: ", "doctor")
	if !strings.Contains(out, home) {
		t.Errorf("doctor does not name %s", home)
	}
	struck(t)(c.Hosts[0].Agent().Kill())
	<-c.Hosts[0].Agent().Done()
	c.ctl(t, here, 0, c.Hosts[0].Name+" .*no agent answers", "history", "--vip", address)
}
