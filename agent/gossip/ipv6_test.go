package gossip

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"memvip/agent/core"
	"memvip/integration/apart"
)

// Loopback has but one IPv6 address, so this test runs itself once more, in a network namespace of its
// own where it has as many as it likes.
func TestIPv6(t *testing.T) {
	if !apart.Test(t) {
		return
	}
	addresses = map[string]netip.Addr{
		"a": netip.MustParseAddr("fd00::11"), "b": netip.MustParseAddr("fd00::12"), "c": netip.MustParseAddr("fd00::13"),
	}
	addToLoopback(t)
	a, b, c := three(t)
	a.sees(t, "b", "c")
	sent := filled(core.Claim{})
	sent.From.Node = "a"
	if err := a.Send("b", sent); err != nil {
		t.Fatal(err)
	}
	got := b.next(t)
	if diff := equal(sent, got.msg); diff != "" {
		t.Errorf("changed on its way:\n%s", diff)
	}
	if want := netip.AddrPortFrom(addresses["a"], uint16(a.opts.Port)).String(); got.source != want {
		t.Errorf("source %s, want %s", got.source, want)
	}
	a.Publish(core.NodeState{Node: "a", Start: 1, Seq: 1})
	c.learns(t, "a", 1)
}

func addToLoopback(t *testing.T) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range addresses {
		a, err := netlink.ParseAddr(netip.PrefixFrom(addr, 128).String())
		if err != nil {
			t.Fatal(err)
		}
		a.Flags = syscall.IFA_F_NODAD
		if err := netlink.AddrAdd(lo, a); err != nil {
			t.Fatalf("add %s to lo: %v", addr, err)
		}
	}
}
