//go:build integration

package integration

import (
	"strings"
	"testing"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// onlyTwo leaves each VIP a home and one stand-in, which so is the same each time. The third host only votes.
const onlyTwo = soonHome + "\n" + `candidates = ["cache1", "cache2"]`

// restartHere is a restart command that each host runs in its agent's runtime directory, where memcached's
// pid is one level up; the lab brings memcached back.
const restartHere = `restart_command = ["sh", "-c", "kill -9 $(cat ../memcached.pid)"]`

// calmLease spares these tests moves that only a busy machine causes: what is read counts here, not when.
const calmLease = time.Second

// respawn is how long a service manager takes.
const respawn = 50 * time.Millisecond

// setUp is a way to spread caches over hosts.
type setUp struct {
	name    string
	options lab.Options
}

// A stand-in may have a memcached of its own for the guest, the same for all, or the same for all with nothing else
// to do. The last two differ in how it can be proved clean.
var (
	idleStandIn = setUp{"one instance per host, idle stand-in", lab.Options{VIPs: 1, Lease: calmLease}}
	busyStandIn = setUp{"one instance per host, busy stand-in", lab.Options{VIPs: 2, Lease: calmLease, MemcachedTOML: restartHere, Respawn: respawn}}
	perVIP      = setUp{"one instance per VIP", lab.Options{VIPs: 2, Lease: calmLease, InstancePerVIP: true}}
)

// inEach runs a test in each set-up, on a lab of its own and beside other such tests: they wait for most of their
// time, and what they want does not depend on how fast things go.
func inEach(t *testing.T, setUps []setUp, vipTOML string, test func(t *testing.T, o lab.Options)) {
	t.Parallel()
	for _, s := range setUps {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			o := s.options
			o.VIPTOML = vipTOML
			test(t, o)
		})
	}
}

// noFlushGate names the fault that opens the flush gate. Only an agent built with the tag "faults" obeys.
var noFlushGate = []string{"MEMVIP_FAULT=no_flush_gate"}

// A home that returns with old data serves none of it, and neither does a stand-in that takes the same VIP a
// second time. The fault is named all the while: the ordinary agent must not know it.
func TestOldDataIsNotServed(t *testing.T) {
	inEach(t, []setUp{idleStandIn, busyStandIn, perVIP}, onlyTwo, func(t *testing.T, o lab.Options) {
		o.AgentEnv = noFlushGate
		c := startCluster(t, o)
		j := c.judge(t)
		for _, r := range awayTwice(t, c, j) {
			if r.found && r.value != r.newest {
				t.Errorf("%s: read %q, though %q was acknowledged later", r.who, r.value, r.newest)
			}
		}
	})
}

// The check can fail: with the flush gate open the same journeys read old values. What the client then reads
// depends on when it writes, so it is counted only.
func TestOpenFlushGateIsSeen(t *testing.T) {
	agent := built(t, "memvip/cmd/memvip-agent", "-tags", "faults")
	inEach(t, []setUp{idleStandIn, perVIP}, onlyTwo, func(t *testing.T, o lab.Options) {
		o.Agent, o.AgentEnv = agent, noFlushGate
		c := newCluster(t, o)
		j := c.judgeExcused(t, "the flush gate is open")
		must(t, c.Start())
		c.awaitHome(t)
		for _, r := range awayTwice(t, c, j) {
			if !r.found || r.value == r.newest {
				t.Errorf("%s: read %q (found: %v), want the old value", r.who, r.value, r.found)
			}
		}
	})
}

// reading is what was read where an old value could be.
type reading struct {
	who    string
	value  string
	found  bool
	newest string // acknowledged before
}

// awayTwice takes a VIP from its home to the stand-in, home, and to the stand-in again, with a newer value
// written at each stop. What each of the two holds when it is met for the second time is old.
func awayTwice(t *testing.T, c *cluster, j *judgement) []reading {
	t.Helper()
	r := c.trace(t, c.VIPs[0])
	home := r.vip.Home
	read := func(what string, at *lab.Host) reading {
		value, found := r.read(t, at)
		return reading{what, value, found, r.newest}
	}
	r.write(t, "first, at home", home)

	at := struck(t)(c.Cut(home))
	standIn := r.awaitStandIn(t)
	r.write(t, "second, at the stand-in", standIn)
	r.assertLurking(t, "first, at home", home)
	j.report(t, "first failover", r.vip.Addr, at)
	at = struck(t)(c.HealHost(home))
	returned := read("the home, returned", home)
	j.report(t, "hand-back", r.vip.Addr, at)

	r.write(t, "third, at home", home)
	at = struck(t)(c.Cut(home))
	again := read("the stand-in, for the second time", standIn)
	j.report(t, "second failover", r.vip.Addr, at)
	return []reading{returned, again}
}

// A stand-in that is busy with its own VIP cannot flush, and without a restart command cannot prove itself
// otherwise: it refuses the guest's second visit and says why. The home's return ends that.
func TestStandInRefusesSecondVisit(t *testing.T) {
	t.Parallel()
	c := startCluster(t, lab.Options{VIPs: 2, Lease: calmLease, VIPTOML: onlyTwo})
	r := c.trace(t, c.VIPs[0])
	home := r.vip.Home
	r.write(t, "first, at home", home)
	struck(t)(c.Cut(home))
	standIn := r.awaitStandIn(t)
	r.write(t, "second, at the stand-in", standIn)
	struck(t)(c.HealHost(home))
	r.assertFresh(t, home)
	r.write(t, "third, at home", home)
	r.assertLurking(t, "second, at the stand-in", standIn)

	struck(t)(c.Cut(home))
	r.awaitSaid(t, standIn, "nobody may, since only a restart could prove the stand-in", func(v control.VIP, _ control.Node) bool {
		return v.Place == control.PlaceUnserved && v.WhyCode == control.WhyNobodyMay &&
			strings.Contains(v.Why, "memcached on "+standIn.Name+" may hold old values") && strings.Contains(v.Why, "only a restart could prove it")
	})
	r.assertLurking(t, "second, at the stand-in", standIn)
	struck(t)(c.HealHost(home))
	r.assertFresh(t, home)
}

// built compiles a program of this module for one test.
func built(t *testing.T, pkg string, flags ...string) string {
	t.Helper()
	path, err := lab.Build(t.TempDir(), pkg, flags...)
	must(t, err)
	return path
}
