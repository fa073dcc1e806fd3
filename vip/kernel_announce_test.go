package vip

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var service6 = Address{Prefix: netip.MustParsePrefix("fd00::50/128"), Link: hostLink}

func (w *realWorld) hostMAC(t *testing.T) (mac net.HardwareAddr) {
	t.Helper()
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err == nil {
			mac = link.Attrs().HardwareAddr
		}
		return err
	})
	return mac
}

// A /32 with a preferred lifetime of 0 and no route for its prefix is answered for like any other.
func TestKernelAnswersARPForTheAddress(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	take(t, w.open(t), service)
	var answer net.HardwareAddr
	w.peer.in(t, func() error {
		link, err := net.InterfaceByName(peerLink)
		if err != nil {
			return err
		}
		client, err := arp.Dial(link)
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		if err := client.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		answer, err = client.Resolve(service.Prefix.Addr())
		return err
	})
	if mac := w.hostMAC(t); answer.String() != mac.String() {
		t.Errorf("peer was answered %s, want %s", answer, mac)
	}
}

func TestKernelGratuitousARPFields(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	take(t, w.open(t), service)
	burst := hear2(t, w)
	mac, ip := w.hostMAC(t), service.Prefix.Addr()
	forms := []struct {
		op     arp.Operation
		target net.HardwareAddr
	}{
		{arp.OperationRequest, make(net.HardwareAddr, 6)},
		{arp.OperationReply, mac},
	}
	for i, form := range forms {
		want := &arp.Packet{
			HardwareType: 1, ProtocolType: 0x0800, HardwareAddrLength: 6, IPLength: 4,
			Operation: form.op, SenderHardwareAddr: mac, SenderIP: ip, TargetHardwareAddr: form.target, TargetIP: ip,
		}
		compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if diff := cmp.Diff(want, burst[i].packet, compare); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form.op, diff)
		}
		if burst[i].from.String() != mac.String() || burst[i].to.String() != ethernet.Broadcast.String() {
			t.Errorf("%s sent from %s to %s", form.op, burst[i].from, burst[i].to)
		}
	}
}

func TestKernelIPv6(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service6)
	p := find(t, w.there(t), service6.Prefix)
	const flags = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD
	if p.Flags&flags != flags || p.Flags&unix.IFA_F_TENTATIVE != 0 || p.Preferred != 0 || p.Valid > validLifetime {
		t.Errorf("%+v", p)
	}
	if p.Protocol != tagProtocol {
		t.Errorf("tag: protocol %d", p.Protocol)
	}
	var list []heard
	waitFor(t, "an advertisement", func() bool { list = w.heardOf(service6.Prefix.Addr()); return len(list) > 0 })
	mac := w.hostMAC(t)
	want := &ndp.NeighborAdvertisement{
		Override: true, TargetAddress: service6.Prefix.Addr(),
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac}},
	}
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, list[0].message, compare); diff != "" {
		t.Errorf("advertisement (-want +got):\n%s", diff)
	}
	if list[0].hops != ndp.HopLimit || list[0].to.String() != "33:33:00:00:00:01" || list[0].from.String() != mac.String() {
		t.Errorf("sent from %s to %s with hop limit %d", list[0].from, list[0].to, list[0].hops)
	}
	wild, bound := w.connect(t, service6.Prefix.Addr(), wildPort), w.connect(t, service6.Prefix.Addr(), boundPort)
	if dropped := drop(t, m, service6); dropped.Sockets != 2 {
		t.Errorf("destroyed %d sockets, want 2", dropped.Sockets)
	}
	for _, err := range []error{wild(), bound()} {
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("client saw %v, want a reset", err)
		}
	}
	absent(t, w, service6.Prefix)
	take(t, m, service6)
	w.connect(t, service6.Prefix.Addr(), boundPort)
}

// An advertisement with a wrong checksum would be heard by a packet socket and by nobody else.
func TestKernelNeighboursBelieveTheAnnouncement(t *testing.T) {
	t.Parallel()
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t)
			m := w.open(t)
			mac := w.hostMAC(t)
			// The peer believes the address to be elsewhere, and learned so this moment.
			w.believe(t, a.Prefix.Addr(), net.HardwareAddr{2, 9, 9, 9, 9, 9})
			take(t, m, a)
			w.awaitBelief(t, a.Prefix.Addr(), mac)
			if n := m.Counts().Announced; n != 1 {
				t.Errorf("it took %d announcements, want 1", n)
			}
		})
	}
}
