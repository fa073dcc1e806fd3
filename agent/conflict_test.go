package agent

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/vip"
)

func TestAnnouncementsKeepTheOrderOfOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		once, anew := core.AnnounceAddress{Name: vipA, Once: true}, core.AnnounceAddress{Name: vipA}
		r.order(once) // it is not up
		until := r.now().Add(time.Second)
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: until})
		r.order(once, core.ProlongAddress{Name: vipA, Until: until}, anew)
		r.order(core.DropAddress{Name: vipA}, once)
		r.order(anew, core.AnnounceAddress{Name: "10.9.9.9"})
		r.want("started", "take 10.0.0.101", "up 10.0.0.101 1", "announce once 10.0.0.101", "prolong 10.0.0.101",
			"announce 10.0.0.101", "drop 10.0.0.101", "down 10.0.0.101")
	})
}

func TestAnAnnouncementThatComesTooLateFindsTheAddressGone(t *testing.T) {
	for _, c := range []struct {
		err error
		up  int
	}{{nil, 1}, {vip.ErrNotAnnounced, 1}, {vip.ErrTooLate, 0}, {vip.ErrNotHeld, 0}} {
		t.Run(fmt.Sprint(c.err), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.start()
				r.addresses.announce = c.err
				r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: r.now().Add(time.Second)})
				r.order(core.AnnounceAddress{Name: vipA, Once: true})
				if up := r.loop.addresses.up(); len(up) != c.up {
					t.Errorf("shown as up: %v", up)
				}
			})
		})
	}
}

func TestWhichMACsAreThisHosts(t *testing.T) {
	link := func(index int, name string, last byte, prefixes ...string) vip.Link {
		l := vip.Link{Index: index, Name: name, MAC: net.HardwareAddr{2, 0, 0, 0, 0, last}, Up: true}
		for _, p := range prefixes {
			l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
		}
		return l
	}
	lo := link(1, "lo", 0, "127.0.0.1/8", "10.1.1.1/32")
	lo.MAC = make(net.HardwareAddr, 6)
	tunnel := link(6, "tun0", 0, "10.8.0.1/24")
	tunnel.MAC = nil
	places := map[core.Name]vip.Address{vipA: {Prefix: addressA.Prefix, Link: "eth1"}}
	o := newOwnMACs([]vip.Link{
		lo, link(2, "eth0", 2, "192.168.0.1/24"), link(3, "eth1", 3), link(4, "veth7", 4, "fe80::1/64"), link(5, "eth2", 5), tunnel,
	}, places)
	const vips, other = "02:00:00:00:00:03", "02:00:00:00:00:02"
	if !slices.Equal(o.told, []string{vips, other}) {
		t.Fatalf("told %v", o.told)
	}
	for _, c := range []struct {
		what string
		link vip.Link
		want []string // nil: no news
	}{
		{"the same", link(3, "eth1", 3), nil},
		{"one without an address of its own", link(5, "eth2", 0x55), nil},
		{"which then gets one", link(5, "eth2", 0x55, "10.5.0.1/24"), []string{vips, other, "02:00:00:00:00:55"}},
		{"a bond's other card", link(3, "eth1", 0x33), []string{"02:00:00:00:00:33", other, "02:00:00:00:00:55"}},
		{"gone", vip.Link{Index: 5, Name: "eth2", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 0x55}}, []string{"02:00:00:00:00:33", other}},
		{"made anew", link(9, "eth1", 0x39), []string{"02:00:00:00:00:39", other}},
	} {
		before := o.told
		want := c.want
		if want == nil {
			want = before
		}
		if news := o.changed(c.link); news != (c.want != nil) || !slices.Equal(o.told, want) {
			t.Errorf("%s: told %v, news %t; want %v", c.what, o.told, news, want)
		}
	}
}

// A whole agent hears another host on the wire, answers it, and says so.
func TestAnAgentAnswersAForeignHost(t *testing.T) {
	newLANs(t)
	config := newServedCluster(t)
	agents := []*running{startAgent(t, config, "w1"), startAgent(t, config, "w2"), startAgent(t, config, "h1")}
	home := agents[2]
	eventually(t, "the address is up", func() bool { return isUp(t, "lan0", "10.77.0.101") })

	const stranger = "02:aa:00:00:00:99"
	client := control.Client{Path: filepath.Join(home.dir, control.SocketName), Timeout: patience}
	var report control.Report
	eventually(t, "status names the foreign host", func() bool {
		sendClaim(t, "lan0p", "10.77.0.101", stranger)
		var err error
		report, _, err = client.Status(t.Context())
		return err == nil && slices.ContainsFunc(report.Problems, func(p control.Problem) bool {
			return p.Code == control.ProblemConflict && strings.Contains(p.Text, stranger)
		})
	})
	if report.Counters["conflict"] == 0 || report.Counters["claims_of_others"] == 0 {
		t.Errorf("counted %v", report.Counters)
	}
	for _, a := range agents {
		a.end(t)
	}
}

// sendClaim sends a gratuitous ARP out of a link of this namespace.
func sendClaim(t *testing.T, link, ip, mac string) {
	t.Helper()
	l, err := netlink.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	from, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddr(ip)
	packet, err := arp.NewPacket(arp.OperationRequest, from, address, make(net.HardwareAddr, 6), address)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := packet.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	frame, err := (&ethernet.Frame{Destination: ethernet.Broadcast, Source: from, EtherType: ethernet.EtherTypeARP, Payload: payload}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}); err != nil {
		t.Fatal(err)
	}
}
