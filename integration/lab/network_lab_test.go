//go:build integration

package lab

import (
	"testing"

	"github.com/vishvananda/netlink"
)

func TestCutAndHeal(t *testing.T) {
	l := newLab(t, Options{})
	acquaint(t, l)
	vip, h := l.VIPs[0].Addr, l.Hosts[0]
	c := startClient(t, l, ClientOptions{})
	at := struck(t)(l.Cut(h))
	must(t, c.WaitNotServed(within(t), vip, patience/100))
	assertReach(t, l, cutOff(l, h))
	if !carrier(t, h) {
		t.Error("a cut host lost its carrier")
	}
	struck(t)(l.Heal())
	must(t, c.WaitServed(within(t), vip, h.Name))
	assertReach(t, l, nil)
	for _, v := range l.VIPs[1:] {
		assertUnharmed(t, c, v.Addr, at)
	}
	if n := len(c.Stale(0, Now())); n != 0 {
		t.Errorf("%d stale reads", n)
	}
}

// Two labs at once have the same names and addresses, and nothing that happens in one reaches the other.
func TestTwoLabs(t *testing.T) {
	one := newLab(t, Options{})
	two, err := New(Options{})
	must(t, err)
	t.Cleanup(func() {
		if err := two.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, two.StartMemcached())
	for _, v := range two.VIPs {
		serve(t, v.Home, v.Addr)
	}
	c, other := startClient(t, one, ClientOptions{}), startClient(t, two, ClientOptions{})
	at := struck(t)(one.Cut(one.Hosts[0]))
	must(t, c.WaitNotServed(within(t), one.VIPs[0].Addr, patience/100))
	must(t, other.WaitAllServed(within(t), homes(two)))
	for _, v := range two.VIPs {
		assertUnharmed(t, other, v.Addr, at)
	}
	for _, c := range []*Client{c, other} {
		if n := len(c.Stale(0, Now())); n != 0 {
			t.Errorf("%d stale reads", n)
		}
	}
}

func TestUnplugTakesTheCarrier(t *testing.T) {
	l := newLab(t, Options{})
	vip, h := l.VIPs[0].Addr, l.Hosts[0]
	c := startClient(t, l, ClientOptions{})
	struck(t)(l.Unplug(h))
	must(t, c.WaitNotServed(within(t), vip, patience/100))
	if carrier(t, h) {
		t.Error("an unplugged host still has its carrier")
	}
	struck(t)(l.HealHost(h))
	must(t, c.WaitServed(within(t), vip, h.Name))
	if !carrier(t, h) {
		t.Error("a healed host has no carrier")
	}
}

// A host that is isolated from its peers serves its clients as if nothing had happened.
func TestIsolate(t *testing.T) {
	l := newLab(t, Options{})
	acquaint(t, l)
	c := startClient(t, l, ClientOptions{})
	w, err := l.StartWatcher(WatchOptions{})
	must(t, err)
	at := struck(t)(l.Isolate(l.Hosts[0]))
	assertReach(t, l, cutOff(l, l.Hosts[0]))
	must(t, c.WaitAllServed(within(t), homes(l)))
	for _, v := range l.VIPs {
		assertUnharmed(t, c, v.Addr, at)
	}
	// The watcher hears it, the peers do not: they would take the address's new place to heart.
	must(t, l.Hosts[0].AnnounceByHand(l.VIPs[0].Addr))
	_, err = w.WaitAnnounced(within(t), l.VIPs[0].Addr, at, "")
	must(t, err)
	struck(t)(l.Heal())
	assertReach(t, l, nil)
}

func TestOneWayCut(t *testing.T) {
	l := newLab(t, Options{})
	acquaint(t, l)
	c := startClient(t, l, ClientOptions{})
	at := struck(t)(l.OneWayCut(l.Hosts[0], l.Hosts[1]))
	assertReach(t, l, map[[2]string]bool{{"cache1", "cache2"}: true})
	struck(t)(l.OneWayCut(l.Hosts[2], l.Hosts[0]))
	assertReach(t, l, map[[2]string]bool{{"cache1", "cache2"}: true, {"cache3", "cache1"}: true})
	struck(t)(l.HealHost(l.Hosts[1]))
	assertReach(t, l, map[[2]string]bool{{"cache3", "cache1"}: true})
	struck(t)(l.Heal())
	assertReach(t, l, nil)
	for _, v := range l.VIPs {
		assertUnharmed(t, c, v.Addr, at)
	}
}

func TestCutFromClients(t *testing.T) {
	l := newLab(t, Options{})
	acquaint(t, l)
	c := startClient(t, l, ClientOptions{})
	struck(t)(l.CutFromClients(l.Hosts[0]))
	must(t, c.WaitNotServed(within(t), l.VIPs[0].Addr, patience/100))
	assertReach(t, l, nil)
	struck(t)(l.Heal())
	must(t, c.WaitAllServed(within(t), homes(l)))
}

// Power off is silence; power on is another boot of the same host, empty.
func TestPower(t *testing.T) {
	l := newLab(t, Options{})
	acquaint(t, l)
	vip, h := l.VIPs[0].Addr, l.Hosts[0]
	c := startClient(t, l, ClientOptions{})
	before := h.node.inode
	at := struck(t)(l.PowerOff(h))
	waitFailure(t, c, vip, at, FailureTimeout)
	if err := h.StartMemcached(); err == nil {
		t.Error("memcached starts on a host without power")
	}
	must(t, l.PowerOn(h))
	if h.node.inode == before {
		t.Error("the same namespace again")
	}
	must(t, h.StartMemcached())
	serve(t, h, vip)
	must(t, c.WaitServed(within(t), vip, h.Name))
	acquaint(t, l)
	if n := len(c.Stale(at, Now())); n != 0 {
		t.Errorf("%d stale reads", n)
	}
}

// cutOff is every pair that the host is part of.
func cutOff(l *Lab, h *Host) map[[2]string]bool {
	m := map[[2]string]bool{}
	for _, o := range l.Hosts {
		m[[2]string{h.Name, o.Name}] = true
		m[[2]string{o.Name, h.Name}] = true
	}
	return m
}

func carrier(t *testing.T, h *Host) bool {
	t.Helper()
	eth0, err := h.node.eth0()
	must(t, err)
	return eth0.Attrs().OperState == netlink.OperUp
}
