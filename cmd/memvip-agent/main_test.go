package main

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	commands "memvip/flush/command"
	"memvip/integration/apart"
	"memvip/integration/shell"
	"memvip/vip"
)

const program = "memvip-agent"

// outside is why the tests could not be moved into namespaces of their own; they fail with it rather than
// touch this machine's interfaces.
var outside error

// TestMain: under the program's name the test binary is the program, and by another its commands' first stage.
func TestMain(m *testing.M) {
	commands.Become() // main would not be asked under that name
	if filepath.Base(os.Args[0]) != program {
		outside = apart.Enter()
	}
	testscript.Main(m, map[string]func(){program: main})
}

// TestScripts runs the sessions of testdata/script. Beyond package shell's commands they have:
//
//	held DIR                 a runtime directory that a running agent, pid 4711, has
//	netns NAME               a named network namespace with a link lan0 that has 10.0.0.11
//	leave NETNS PREFIX       puts an address on lan0 as an agent that died would have
//	[!] there NETNS ADDRESS  demands that an address is on lan0
func TestScripts(t *testing.T) {
	if outside != nil {
		t.Fatalf("these tests need namespaces of their own: %v", outside)
	}
	// Named namespaces are files in /run, which is to be this test's own.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatalf("make mounts private: %v", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	shell.Run(t, nil, shell.Commands{"held": held, "netns": newNetns, "leave": leave, "there": there})
}

func held(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	file, err := os.Create(filepath.Join(dir, "lock"))
	ts.Check(err)
	ts.Defer(func() { _ = file.Close() })
	_, err = file.WriteString("4711")
	ts.Check(err)
	ts.Check(unix.Flock(int(file.Fd()), unix.LOCK_EX))
}

// in runs f on a thread that nobody uses afterwards, in the named namespace or, if there is none yet, a
// new one of that name.
func in(name string, f func() error) error {
	return apart.OnOwnThread(func() error {
		handle, err := netns.GetFromName(name)
		if err == nil {
			err = netns.Set(handle)
		} else {
			handle, err = netns.NewNamed(name)
		}
		if err != nil {
			return err
		}
		defer handle.Close()
		return f()
	})
}

func newNetns(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(in(args[0], func() error {
		link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "lan0"}, PeerName: "lan0p"}
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		own, err := netlink.ParseAddr("10.0.0.11/24")
		return errors.Join(err, netlink.AddrAdd(link, own), netlink.LinkSetUp(link))
	}))
	ts.Defer(func() { _ = netns.DeleteNamed(args[0]) })
}

func leave(ts *testscript.TestScript, _ bool, args []string) {
	prefix, err := netip.ParsePrefix(args[1])
	ts.Check(err)
	ts.Check(in(args[0], func() error {
		m, err := vip.Open(vip.Options{Fence: vip.FenceOff})
		if err != nil {
			return err
		}
		err = m.Take(vip.Address{Prefix: prefix, Link: "lan0"}, func() time.Duration { return time.Hour })
		if errors.Is(err, vip.ErrNotAnnounced) {
			err = nil // nobody is on that link
		}
		return errors.Join(err, m.Close())
	}))
}

func there(ts *testscript.TestScript, neg bool, args []string) {
	found := false
	ts.Check(in(args[0], func() error {
		link, err := netlink.LinkByName("lan0")
		if err != nil {
			return err
		}
		list, err := netlink.AddrList(link, netlink.FAMILY_V4)
		for _, a := range list {
			found = found || a.IP.String() == args[1]
		}
		return err
	}))
	if found == neg {
		ts.Fatalf("%s on lan0 of %s: %t", args[1], args[0], found)
	}
}
