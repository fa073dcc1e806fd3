package agent

import (
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"memvip/integration/apart"
)

// outside is why the tests could not be moved into namespaces of their own; those that need a kernel
// fail with it rather than touch this machine's interfaces and mounts.
var outside error

func TestMain(m *testing.M) {
	outside = apart.Enter()
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode")) // see gossip's Close
}

// needNamespaces fails a test that would touch this machine.
func needNamespaces(t testing.TB) {
	t.Helper()
	if outside != nil {
		t.Fatalf("this test needs namespaces of its own: %v", outside)
	}
}

// inNewNetns runs f in a network namespace of its own.
func inNewNetns(t testing.TB, f func() error) {
	t.Helper()
	needNamespaces(t)
	err := apart.OnOwnThread(func() error {
		ns, err := netns.New()
		if err != nil {
			return err
		}
		defer ns.Close()
		return f()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// smallDisk mounts a tmpfs of so many bytes and returns its folder.
func smallDisk(t testing.TB, bytes int) string {
	t.Helper()
	needNamespaces(t)
	dir := t.TempDir()
	// Else the mount would be seen outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatalf("make mounts private: %v", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount tmpfs: %v", err)
		}
	})
	return dir
}

// newLAN makes a link with these addresses in the tests' network namespace. It has a carrier.
func newLAN(t testing.TB, name string, addresses ...string) {
	t.Helper()
	needNamespaces(t)
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}
	for _, step := range []func() error{
		func() error { return netlink.LinkAdd(link) },
		func() error { return linkUp(name + "p") },
		func() error { return linkUp(name) },
		func() error { return linkUp("lo") },
	} {
		if err := step(); err != nil {
			t.Fatalf("make link %s: %v", name, err)
		}
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(link); err != nil {
			t.Errorf("remove link %s: %v", name, err)
		}
	})
	for _, a := range addresses {
		address, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrAdd(link, address)
		}
		if err != nil {
			t.Fatalf("add %s to %s: %v", a, name, err)
		}
	}
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
