//go:build integration

package integration

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"memvip/integration/lab"
)

// fault is one bad thing that happens to a host and ends again.
type fault struct {
	name   string
	strike func(t *testing.T, c *cluster, h *lab.Host) lab.Instant
	undo   func(t *testing.T, c *cluster, h *lab.Host)

	// meanwhile, if not nil, is what must hold beyond service by another host, before undo.
	meanwhile func(t *testing.T, c *cluster, h *lab.Host)
}

// singleFaults each cost one host its VIP.
var singleFaults = []fault{
	{
		name:   "memcached is killed",
		strike: func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Memcached().Kill()) },
		undo:   func(t *testing.T, _ *cluster, h *lab.Host) { must(t, h.Memcached().Start()) },
	},
	{
		name:   "memcached hangs",
		strike: func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Memcached().Freeze()) },
		undo:   func(t *testing.T, _ *cluster, h *lab.Host) { struck(t)(h.Memcached().Thaw()) },
	},
	{
		name:   "the host is cut off",
		strike: func(t *testing.T, c *cluster, h *lab.Host) lab.Instant { return struck(t)(c.Cut(h)) },
		undo:   healHost,
	},
	{
		name:   "the host loses its carrier",
		strike: func(t *testing.T, c *cluster, h *lab.Host) lab.Instant { return struck(t)(c.Unplug(h)) },
		undo:   healHost,
	},
	{
		name:   "the host is isolated from its peers, not from the clients",
		strike: func(t *testing.T, c *cluster, h *lab.Host) lab.Instant { return struck(t)(c.Isolate(h)) },
		undo:   healHost,
	},
	{
		name: "what the host sends does not reach its peers",
		strike: func(t *testing.T, c *cluster, h *lab.Host) lab.Instant {
			return eachPeer(c, h, func(p *lab.Host) lab.Instant { return struck(t)(c.OneWayCut(h, p)) })
		},
		undo: healHost,
	},
	{
		name: "what its peers send does not reach the host",
		strike: func(t *testing.T, c *cluster, h *lab.Host) lab.Instant {
			return eachPeer(c, h, func(p *lab.Host) lab.Instant { return struck(t)(c.OneWayCut(p, h)) })
		},
		undo: healHost,
	},
	{
		name:      "the agent is told to stop",
		strike:    func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Agent().Term()) },
		meanwhile: leavesNothing,
		undo:      func(t *testing.T, _ *cluster, h *lab.Host) { must(t, h.Agent().Start()) },
	},
	{
		name:   "the agent is killed",
		strike: func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Agent().Kill()) },
		undo:   func(t *testing.T, _ *cluster, h *lab.Host) { must(t, h.Agent().Start()) },
	},
	{
		name:   "the agent is frozen",
		strike: func(t *testing.T, _ *cluster, h *lab.Host) lab.Instant { return struck(t)(h.Agent().Freeze()) },
		undo:   func(t *testing.T, _ *cluster, h *lab.Host) { struck(t)(h.Agent().Thaw()) },
	},
}

// Whatever happens to one host, another serves its VIP, and when the fault is over the VIP comes home.
// The faults go round the hosts, so that each has been flushed when its turn as a stand-in comes.
func TestOneHostFails(t *testing.T) {
	c := startCluster(t, lab.Options{VIPTOML: soonHome})
	for i, f := range singleFaults {
		t.Run(f.name, func(t *testing.T) { oneHostFails(t, c, c.VIPs[i%len(c.VIPs)], f) })
	}
}

// The same where every VIP has a memcached of its own on each host.
func TestOneHostFailsInstancePerVIP(t *testing.T) {
	c := startCluster(t, lab.Options{VIPTOML: soonHome, InstancePerVIP: true})
	for i, f := range singleFaults[:3] {
		t.Run(f.name, func(t *testing.T) { oneHostFails(t, c, c.VIPs[i], f) })
	}
}

func oneHostFails(t *testing.T, c *cluster, v lab.VIP, f fault) {
	c.awaitHome(t)
	j := c.judge(t)
	home := v.Home.Name

	at := f.strike(t, c, v.Home)
	standIn := c.awaitAway(t, v.Addr, home)
	must(t, c.client.WaitAllServed(within(t), nil))
	j.report(t, "failover", v.Addr, at)
	if f.meanwhile != nil {
		f.meanwhile(t, c, v.Home)
	}

	healed := lab.Now()
	f.undo(t, c, v.Home)
	must(t, c.client.WaitServed(within(t), v.Addr, home))
	c.awaitHome(t)
	j.report(t, "hand-back from "+standIn, v.Addr, healed)
	for _, other := range c.VIPs {
		if turns := c.client.Turns(other.Addr, at, lab.Now()); other != v && len(turns) > 1 {
			t.Logf("%s moved too, though nothing happened to its home: %v", other.Addr, turns)
		}
	}
}

// With one direction between two hosts cut, a majority is still left to every host, so every VIP stays where it is.
func TestOneDirectionIsCut(t *testing.T) {
	t.Parallel()
	const leases = 5
	c := startCluster(t, lab.Options{Lease: patientLease})
	since := struck(t)(c.OneWayCut(c.Hosts[0], c.Hosts[1]))
	must(t, c.client.WaitFor(within(t), leases*patientLease))
	struck(t)(c.Heal())
	c.awaitHome(t)
	for _, v := range c.VIPs {
		if turns := c.client.Turns(v.Addr, since, lab.Now()); len(turns) != 1 || turns[0].Host != v.Home.Name {
			t.Errorf("%s answered by %v, want %s alone", v.Addr, turns, v.Home.Name)
		}
	}
}

// With two of three hosts lost no majority is left and nothing may be served. When they are back, everything is.
// Each VIP has a memcached of its own, so that whoever takes it first can be proved clean of it afterwards.
func TestTwoHostsFail(t *testing.T) {
	c := startCluster(t, lab.Options{VIPTOML: soonHome, InstancePerVIP: true})
	for _, f := range doubleFaults {
		t.Run(f.name, func(t *testing.T) { twoHostsFail(t, c, f) })
	}
}

// doubleFaults strike each of two hosts.
var doubleFaults = []fault{
	{
		name:   "two hosts are cut off",
		strike: func(t *testing.T, c *cluster, h *lab.Host) lab.Instant { return struck(t)(c.Cut(h)) },
		undo:   healHost,
	},
	{
		name:   "two hosts lose power",
		strike: func(t *testing.T, c *cluster, h *lab.Host) lab.Instant { return struck(t)(c.PowerOff(h)) },
		undo: func(t *testing.T, c *cluster, h *lab.Host) {
			must(t, c.PowerOn(h))
			must(t, h.StartMemcached())
			must(t, h.Agent().Start())
		},
	},
}

func twoHostsFail(t *testing.T, c *cluster, f fault) {
	c.awaitHome(t)
	c.judge(t)
	lost, left := c.Hosts[:2], c.Hosts[2]

	at := f.strike(t, c, lost[0])
	f.strike(t, c, lost[1])
	c.awaitNobody(t)
	t.Logf("nothing is served after %v", lab.Now().Sub(at))
	c.awaitNoMajority(t, left)

	healed := lab.Now()
	for _, h := range lost {
		f.undo(t, c, h)
	}
	c.awaitHome(t)
	for _, v := range c.VIPs {
		t.Logf("return: %v", lab.Measure(c.client, c.watcher, v.Addr, healed, lab.Now()))
	}
}

func healHost(t *testing.T, c *cluster, h *lab.Host) { struck(t)(c.HealHost(h)) }

// eachPeer does something to every peer of a host, and returns when it began.
func eachPeer(c *cluster, h *lab.Host, do func(p *lab.Host) lab.Instant) lab.Instant {
	at := lab.Now()
	for _, p := range c.Hosts {
		if p != h {
			do(p)
		}
	}
	return at
}

// leavesNothing holds a stopped agent to its goodbye: exit code 0, no address on the link.
func leavesNothing(t *testing.T, c *cluster, h *lab.Host) {
	t.Helper()
	select {
	case <-h.Agent().Done():
	case <-within(t).Done():
		t.Fatal("not in time: the agent ends")
	}
	if code := h.Agent().ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	for _, a := range addressesOf(t, h) {
		for _, v := range c.VIPs {
			if a == v.Addr {
				t.Errorf("%s is left on %s", a, h.Name)
			}
		}
	}
}

// addressesOf lists what is on a host's eth0.
func addressesOf(t *testing.T, h *lab.Host) []netip.Addr {
	t.Helper()
	var list []netip.Addr
	must(t, h.Inside(func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		addrs, err := eth0.Addrs()
		for _, a := range addrs {
			text, _, _ := strings.Cut(a.String(), "/")
			list = append(list, netip.MustParseAddr(text))
		}
		return err
	}))
	return list
}
