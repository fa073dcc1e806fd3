package vip

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
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
			elsewhere := net.HardwareAddr{2, 9, 9, 9, 9, 9}
			w.peer.in(t, func() error {
				link, err := netlink.LinkByName(peerLink)
				if err != nil {
					return err
				}
				return netlink.NeighSet(&netlink.Neigh{
					LinkIndex: link.Attrs().Index, State: netlink.NUD_REACHABLE,
					IP: a.Prefix.Addr().AsSlice(), HardwareAddr: elsewhere,
				})
			})
			take(t, m, a)
			w.peer.in(t, func() error {
				return await("the peer to believe it", func() (bool, error) {
					entries, err := netlink.NeighList(0, netlink.FAMILY_ALL)
					return slices.ContainsFunc(entries, func(n netlink.Neigh) bool {
						ip, _ := netip.AddrFromSlice(n.IP)
						return ip.Unmap() == a.Prefix.Addr() && n.HardwareAddr.String() == mac.String()
					}), err
				})
			})
			if n := m.Counts().Announced; n != 1 {
				t.Errorf("it took %d announcements, want 1", n)
			}
		})
	}
}

func TestKernelMappedSocketsAreReset(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	ended := w.connect(t, service.Prefix.Addr(), wildPort)
	var families []uint8
	w.host.in(t, func() error {
		list, err := netlink.SocketDiagTCP(unix.AF_INET6)
		for _, s := range list {
			if ip, _ := netip.AddrFromSlice(s.ID.Source); ip.Unmap() == service.Prefix.Addr() {
				families = append(families, s.Family)
			}
		}
		return err
	})
	if !slices.Equal(families, []uint8{unix.AF_INET6}) {
		t.Fatalf("the connection is not an IPv6 socket, so this test shows nothing: %v", families)
	}
	drop(t, m, service)
	if err := ended(); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("client saw %v, want a reset", err)
	}
}

func TestKernelDropEndsManyConnections(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	const connections = 3*batchMax + 7
	var ends []func() error
	for range connections {
		ends = append(ends, w.connect(t, service.Prefix.Addr(), boundPort))
	}
	dropped := drop(t, m, service)
	if dropped.Sockets != connections || m.Counts().Destroyed != connections {
		t.Errorf("destroyed %d sockets, counted %d, want %d", dropped.Sockets, m.Counts().Destroyed, connections)
	}
	for _, ended := range ends {
		if err := ended(); !errors.Is(err, unix.ECONNRESET) {
			t.Fatalf("client saw %v, want a reset", err)
		}
	}
}

// A connection that the server's process has not seen yet is a request in the kernel only, and one that
// is over for both sides is kept for a minute: neither may be left when the address moves.
func TestKernelDropEndsEveryState(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	w.connect(t, service.Prefix.Addr(), boundPort)
	w.halfOpen(t, service.Prefix.Addr(), boundPort)
	w.timeWait(t, service.Prefix.Addr())
	awaitStates(t, m, stateEstablished, stateSynReceived, stateTimeWait)
	if dropped := drop(t, m, service); dropped.Sockets != 3 {
		t.Errorf("destroyed %d sockets, want 3", dropped.Sockets)
	}
	list, err := m.kernel.sockets(service.Prefix.Addr())
	if len(list) != 0 || err != nil {
		t.Errorf("left: %v, %v", list, err)
	}
}

// awaitStates waits until there is one connection of the service in each of the states.
func awaitStates(t *testing.T, m *Manager, want ...uint8) {
	t.Helper()
	var states []uint8
	ask := encodeSocketDump(unix.AF_INET, service.Prefix.Addr())
	waitFor(t, "the states of the connections", func() bool {
		diag := m.kernel.(*netlinkKernel).diag
		err := diag.dump(sockDiagByFamily, ask, func() { states = nil }, func(answer []byte) error {
			s, err := decodeSocket(answer)
			states = append(states, s.state)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(states)
		slices.Sort(want)
		return slices.Equal(states, want)
	})
}

// halfOpen sends a SYN for a client that never answers.
func (w *realWorld) halfOpen(t *testing.T, ip netip.Addr, port uint16) {
	t.Helper()
	client := netip.MustParseAddr("10.0.0.99") // on the wire, but nobody's
	segment := synSegment(client, ip, port)
	header := []byte{0x45, 0, 0, byte(20 + len(segment)), 0, 1, 0, 0, 64, unix.IPPROTO_TCP, 0, 0}
	header = append(append(header, client.AsSlice()...), ip.AsSlice()...)
	w.peer.in(t, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		return unix.Sendto(fd, append(header, segment...), 0, &unix.SockaddrInet4{Addr: ip.As4()})
	})
}

func synSegment(from, to netip.Addr, port uint16) []byte {
	const syn, headerWords, sourcePort = 2, 5, 40000
	b := binary.BigEndian.AppendUint16(nil, sourcePort)
	b = binary.BigEndian.AppendUint16(b, port)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, headerWords<<4, syn, 0xff, 0xff, 0, 0, 0, 0)
	pseudo := append(append(from.AsSlice(), to.AsSlice()...), 0, unix.IPPROTO_TCP, 0, byte(len(b)))
	binary.BigEndian.PutUint16(b[16:], internetChecksum(append(pseudo, b...)))
	return b
}

func internetChecksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// timeWait makes a connection that the server closed first.
func (w *realWorld) timeWait(t *testing.T, ip netip.Addr) {
	t.Helper()
	var listener net.Listener
	w.host.in(t, func() (err error) {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(ip, 11213).String())
		return err
	})
	defer func() { _ = listener.Close() }()
	closed := make(chan error)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = conn.Close()
		}
		closed <- err
	}()
	var conn net.Conn
	w.peer.in(t, func() (err error) {
		conn, err = net.Dial("tcp4", listener.Addr().String())
		return err
	})
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("client saw %v, want the end", err)
	}
	if err := errors.Join(<-closed, conn.Close()); err != nil {
		t.Fatal(err)
	}
}

// The kernel chooses the host's own address for connections that the host opens, also while it holds
// the service address.
func TestKernelNeverChoosesItAsSource(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	take(t, m, service6)
	for _, c := range []struct{ to, want netip.Prefix }{{peerIP4, hostIP4}, {peerIP6, hostIP6}} {
		w.host.in(t, func() error {
			conn, err := net.Dial("udp", netip.AddrPortFrom(c.to.Addr(), 9).String())
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			if from := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(); from != c.want.Addr() {
				t.Errorf("source towards %s is %s, want %s", c.to, from, c.want)
			}
			return nil
		})
	}
}

func TestKernelTellsOfTheEndOfALifetime(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	killed := w.open(t)
	take(t, killed, service)
	take(t, killed, service6)
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	told := make(chan Link, 100)
	stop := watch(t, w.open(t), told)
	defer stop()
	awaitLink(t, told, func(l Link) bool { return slices.Contains(l.Prefixes, service.Prefix) })
	awaitLink(t, told, func(l Link) bool {
		return !slices.Contains(l.Prefixes, service.Prefix) && !slices.Contains(l.Prefixes, service6.Prefix)
	})
}

func TestKernelProlongedAddressOutlivesItsLifetime(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	take(t, m, service6)
	for refreshes := 0; refreshes < 2*int(validLifetime/refreshInterval); refreshes++ {
		for _, a := range []Address{service, service6} {
			waitFor(t, "a refresh", func() bool {
				got, err := m.Prolong(a)
				if err != nil || got == ProlongedRestored {
					t.Fatalf("Prolong %s: %v, %v", a, got, err)
				}
				return got == ProlongedRefreshed
			})
		}
	}
	find(t, w.there(t), service.Prefix)
	find(t, w.there(t), service6.Prefix)
}

func TestKernelLinkGoneIsToldAndDropped(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	told := make(chan Link, 100)
	stop := watch(t, m, told)
	defer stop()
	awaitLink(t, told, func(l Link) bool { return l.Up })
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	awaitLink(t, told, func(l Link) bool { return !l.Up && len(l.Prefixes) == 0 })
	drop(t, m, service)
	if err := m.Take(service, forever); !errors.Is(err, ErrNoLink) {
		t.Errorf("Take: %v, want ErrNoLink", err)
	}
}

// The carrier goes when the other end goes down, while the link stays up for its administrator.
func TestKernelLostCarrierIsTold(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	told := make(chan Link, 100)
	stop := watch(t, w.open(t), told)
	defer stop()
	awaitLink(t, told, func(l Link) bool { return l.Up })
	w.peer.in(t, func() error {
		link, err := netlink.LinkByName(peerLink)
		if err != nil {
			return err
		}
		return netlink.LinkSetDown(link)
	})
	awaitLink(t, told, func(l Link) bool { return !l.Up })
}

// On a link whose name leaves no room for a label, the protocol alone is the tag.
func TestKernelTagsAddressesOfLongLinks(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	long := Address{Prefix: service.Prefix, Link: "fifteen-letters"}
	w.host.in(t, func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: long.Link}})
	})
	first := w.open(t)
	if err := first.Take(long, forever); err != nil && !errors.Is(err, ErrNotAnnounced) {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := w.open(t)
	if list, err := second.Leftovers(); !slices.Equal(list, []Address{long}) || err != nil {
		t.Errorf("Leftovers: %v, %v; want %v", list, err, long)
	}
	drop(t, second, long)
}

func TestKernelResetsAreSupportedHere(t *testing.T) {
	t.Parallel()
	if err := newRealWorld(t).open(t).CanReset(); err != nil {
		t.Error(err)
	}
}

func TestKernelMissingCapabilitiesAreNamed(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	cases := []struct {
		without []uint
		text    string
	}{
		{[]uint{unix.CAP_NET_ADMIN}, "vip: open: missing capability CAP_NET_ADMIN: operation not permitted"},
		{[]uint{unix.CAP_NET_RAW}, "vip: open: missing capability CAP_NET_RAW: operation not permitted"},
		{
			[]uint{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW},
			"vip: open: missing capability CAP_NET_ADMIN, CAP_NET_RAW: operation not permitted",
		},
	}
	for _, c := range cases {
		ns.in(t, func() error { // on a thread that ends with its capabilities
			if err := dropCapabilities(c.without); err != nil {
				return err
			}
			m, err := Open()
			if err == nil {
				_ = m.Close()
			}
			checkError(t, err, c.text, ErrCapability, unix.EPERM)
			return nil
		})
	}
}

func dropCapabilities(without []uint) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for _, c := range without {
		data[c/32].Effective &^= 1 << (c % 32)
	}
	return unix.Capset(&header, &data[0])
}
