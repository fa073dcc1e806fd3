package doctor

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"memvip/flush/fake"
)

func loopbackUp(t *testing.T) {
	t.Helper()
	if outside != nil {
		t.Fatalf("this test needs a network namespace: %v", outside)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatalf("bring lo up: %v", err)
	}
}

// addCard adds an interface that is up, with an address.
func addCard(t *testing.T, name, address string) {
	t.Helper()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatalf("add %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(pair); err != nil {
			t.Error(err)
		}
	})
	for _, end := range []string{name, name + "p"} {
		link, err := netlink.LinkByName(end)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err != nil {
			t.Fatalf("%s: %v", end, err)
		}
	}
	addAddress(t, name, address)
}

func addAddress(t *testing.T, name, address string) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(address)
	if err == nil {
		err = netlink.AddrAdd(link, a)
	}
	if err != nil {
		t.Fatalf("%s on %s: %v", address, name, err)
	}
}

// On a real host in a namespace: two cards on one subnet, a VIP that somebody left, a port that is taken, a memcached
// that listens on loopback only, and no process events, since the kernel gives none in there.
func TestHostInNamespace(t *testing.T) {
	loopbackUp(t)
	addCard(t, "eth0", "10.0.0.11/24")
	addCard(t, "eth1", "10.0.0.21/24")
	addAddress(t, "eth1", "10.0.0.102/32")
	server := fake.New(fake.Options{NoFlush: true, PID: os.Getpid()})
	defer server.Close()
	if _, err := server.Listen("127.0.0.1:11211"); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "10.0.0.11:7946")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	config := loaded(t, fmt.Sprintf(sharedText, ""))
	for i := range config.VIPs {
		config.VIPs[i].Interface = "eth0"
	}

	got := map[Check]Severity{}
	for _, f := range Host(t.Context(), config, "cache1", Options{RuntimeDir: t.TempDir()}) {
		complete(t, f)
		if was, ok := got[f.Check]; !ok || f.Severity.rank() < was.rank() {
			got[f.Check] = f.Severity
		}
	}
	for check, severity := range map[Check]Severity{
		CheckCapabilities: OK, CheckFence: OK, CheckKeyFile: OK, CheckOwnAddress: OK, CheckInterface: OK,
		CheckConnector: Warning, CheckGossipPort: Warning, CheckStranger: Failure,
		CheckARPIgnore: Warning, CheckARPAnnounce: Warning,
		CheckMemcached: OK, CheckFlush: Failure, CheckListens: Failure, CheckDirect: OK, CheckNamespace: OK,
	} {
		if got[check] != severity {
			t.Errorf("%s is %q, want %q", check, got[check], severity)
		}
	}
}
