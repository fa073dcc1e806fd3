package gossip

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"memvip/agent/core"
)

// insideEnv marks the run of TestIPv6 that is inside a namespace of its own.
const insideEnv = "GOSSIP_TEST_INSIDE"

// Loopback has but one IPv6 address, so this test runs itself once more, in a network namespace of its
// own where it has as many as it likes.
func TestIPv6(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		runInside(t)
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

// runInside runs the calling test in a user and network namespace of its own.
func runInside(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		t.Errorf("inside the namespace: %v\n%s", err, out)
	case err != nil:
		t.Fatalf("no user and network namespace of its own for this test: %v", err)
	}
}

func addToLoopback(t *testing.T) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
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
