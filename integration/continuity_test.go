//go:build integration

package integration

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"

	"memvip/integration/lab"
)

// An agent that is killed and started again within the lease goes on where it was: its VIP stays, and the cache with it.
func TestAgentRestartWithinLease(t *testing.T) {
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome})
	for _, v := range c.VIPs {
		t.Run(v.Home.Name, func(t *testing.T) {
			j := c.judge(t)
			kept := c.fill(t)
			moves := len(roleChanges(v.Home))

			at := struck(t)(v.Home.Agent().Kill())
			must(t, v.Home.Agent().Start())
			await(t, v.Home.Name+" holds its VIP again", func() bool { return len(roleChanges(v.Home)) > moves && holds(t, c, v) })
			must(t, c.client.WaitFor(within(t), 2*patientLease)) // a lease that nobody renewed would be over
			j.report(t, "restart", v.Addr, at)

			for _, turn := range c.client.Turns(v.Addr, at, lab.Now()) {
				if turn.Host != v.Home.Name {
					t.Errorf("%s answered by %s, want %s alone", v.Addr, turn.Host, v.Home.Name)
				}
			}
			kept.assert(t)
		})
	}
}

// holds asks the home's own agent.
func holds(t *testing.T, c *cluster, v lab.VIP) bool {
	t.Helper()
	out, _, err := v.Home.Agent().Ctl(within(t), "status", "--json")
	must(t, err)
	if len(out) == 0 || out[0] != '{' {
		return false // not listening yet
	}
	r, _ := c.status(t, v.Home)
	return r.VIPs[v.Index].Holder == v.Home.Name && r.VIPs[v.Index].Served
}

// A majority that is lost and found, while nobody else could serve in between, costs no cache.
func TestUnusedLossOfQuorum(t *testing.T) {
	c := startCluster(t, lab.Options{Lease: patientLease, VIPTOML: soonHome})
	kept := c.fill(t)

	at := struck(t)(c.Isolate(c.Hosts[0]))
	struck(t)(c.Isolate(c.Hosts[1]))
	c.awaitNobody(t)
	for _, h := range c.Hosts {
		c.awaitNoMajority(t, h) // or else a host that has lost nothing yet may rightly take what others lost
	}
	t.Logf("nothing is served after %v", lab.Now().Sub(at))

	healed := struck(t)(c.Heal())
	c.awaitHome(t)
	t.Logf("every VIP at home %v after the healing", lab.Now().Sub(healed))
	for _, v := range c.VIPs {
		if turns := c.client.Turns(v.Addr, at, lab.Now()); len(turns) != 1 {
			t.Errorf("%s answered by %v, want %s alone", v.Addr, turns, v.Home.Name)
		}
	}
	kept.assert(t)
}

// keysKept is how many keys of its own a test stores through each VIP.
const keysKept = 200

// kept is a cache that a test wants to find again: keys stored through the VIPs, and how often each memcached
// was flushed or restarted before.
type kept struct {
	c       *cluster
	flushes map[string]int
	pids    map[string]int
}

// fill stores keys through every VIP.
func (c *cluster) fill(t *testing.T) kept {
	t.Helper()
	k := kept{c: c, flushes: map[string]int{}, pids: map[string]int{}}
	for _, v := range c.VIPs {
		s := c.openVIP(t, v.Addr)
		for i := range keysKept {
			must(t, s.Set(keptKey(i), keptValue(v.Addr, i)))
		}
	}
	for _, h := range c.Hosts {
		stats := statsOf(t, h.Memcached())
		k.flushes[h.Name], k.pids[h.Name] = number(t, stats, "cmd_flush"), number(t, stats, "pid")
	}
	return k
}

// assert reads every key through its VIP, and wants no memcached flushed, restarted or emptied.
func (k kept) assert(t *testing.T) {
	t.Helper()
	for _, h := range k.c.Hosts {
		stats := statsOf(t, h.Memcached())
		if got := number(t, stats, "cmd_flush"); got != k.flushes[h.Name] {
			t.Errorf("memcached on %s was flushed %d times", h.Name, got-k.flushes[h.Name])
		}
		if got := number(t, stats, "pid"); got != k.pids[h.Name] {
			t.Errorf("memcached on %s has pid %d, had %d", h.Name, got, k.pids[h.Name])
		}
		if got := number(t, stats, "curr_items"); got < keysKept {
			t.Errorf("memcached on %s holds %d items, want the %d stored and more", h.Name, got, keysKept)
		}
	}
	for _, v := range k.c.VIPs {
		s, lost := k.c.openVIP(t, v.Addr), 0
		for i := range keysKept {
			value, found, err := s.Get(keptKey(i))
			must(t, err)
			if !found || value != keptValue(v.Addr, i) {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%s: %d of %d keys are lost", v.Addr, lost, keysKept)
		}
	}
}

func keptKey(i int) string                   { return fmt.Sprintf("kept-%d", i) }
func keptValue(vip netip.Addr, i int) string { return fmt.Sprintf("%s/%d", vip, i) }

// openVIP connects as a client.
func (c *cluster) openVIP(t *testing.T, vip netip.Addr) *lab.Session {
	t.Helper()
	s, err := c.OpenVIP(within(t), vip)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// statsOf asks a memcached on its private address.
func statsOf(t *testing.T, m *lab.Memcached) map[string]string {
	t.Helper()
	s, err := m.Open(within(t))
	must(t, err)
	defer s.Close()
	stats, err := s.Stats("")
	must(t, err)
	return stats
}

func number(t *testing.T, stats map[string]string, name string) int {
	t.Helper()
	n, err := strconv.Atoi(stats[name])
	if err != nil {
		t.Fatalf("stat %s: %v", name, err)
	}
	return n
}
