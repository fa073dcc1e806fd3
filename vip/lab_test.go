package vip

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"memvip/integration/apart"
)

// patience is how long a test waits for what has to happen, on a machine that is busy with other things.
const patience = 30 * time.Second

// A namespace is a network namespace of one test.
type namespace struct{ handle netns.NsHandle }

// newNamespace returns a new namespace with its loopback up.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	if outside != nil {
		t.Fatalf("this test needs a network namespace: %v", outside)
	}
	ns := &namespace{handle: netns.None()}
	err := apart.OnOwnThread(func() (err error) {
		ns.handle, err = netns.New()
		return err
	})
	if err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	t.Cleanup(func() { _ = ns.handle.Close() })
	ns.in(t, func() error { return upLink("lo") })
	return ns
}

// in runs f on a thread that is in the namespace; sockets that f opens stay there.
func (n *namespace) in(t testing.TB, f func() error) {
	t.Helper()
	err := apart.OnOwnThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func upLink(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

const (
	hostLink = "host0"
	peerLink = "peer0"
	// wildPort is served by a listener on [::], boundPort by listeners on the addresses themselves.
	wildPort  = 11211
	boundPort = 11212
)

var (
	hostIP4, peerIP4 = netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.0.2/24")
	hostIP6, peerIP6 = netip.MustParsePrefix("fd00::1/64"), netip.MustParsePrefix("fd00::2/64")
)

// A lab is two hosts on one wire: the host under test and a peer.
type lab struct {
	host, peer *namespace
	wire       *wire
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{host: newNamespace(t), peer: newNamespace(t)}
	l.host.in(t, func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: hostLink},
			PeerName:      peerLink,
			PeerNamespace: netlink.NsFd(l.peer.handle),
		})
	})
	l.host.in(t, func() error { return configure(hostLink, hostIP4, hostIP6) })
	l.peer.in(t, func() error { return configure(peerLink, peerIP4, peerIP6) })
	l.host.in(t, func() error {
		return firstError(
			os.WriteFile("/proc/sys/net/ipv4/ip_nonlocal_bind", []byte("1"), 0),
			os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1"), 0),
		)
	})
	l.wire = l.listen(t)
	l.awaitCarrier(t)
	return l
}

func configure(name string, prefixes ...netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if err := netlink.AddrAdd(link, libraryAddress(prefix, unix.IFA_F_NODAD)); err != nil {
			return fmt.Errorf("add %s to %s: %w", prefix, name, err)
		}
	}
	return nil
}

// libraryAddress is a prefix as the netlink library wants it.
func libraryAddress(prefix netip.Prefix, flags int) *netlink.Addr {
	ip := prefix.Addr()
	return &netlink.Addr{
		IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(prefix.Bits(), ip.BitLen())},
		Flags: flags,
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitCarrier waits until the host's end of the wire is operational.
func (l *lab) awaitCarrier(t testing.TB) {
	t.Helper()
	l.host.in(t, func() error {
		return await("carrier on "+hostLink, func() (bool, error) {
			link, err := netlink.LinkByName(hostLink)
			if err != nil {
				return false, err
			}
			return link.Attrs().RawFlags&unix.IFF_RUNNING != 0, nil
		})
	})
}

// await waits until a condition holds.
func await(what string, holds func() (bool, error)) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-deadline.C:
			return fmt.Errorf("waited %s for %s", patience, what)
		}
	}
}

// A heard frame is an announcement as the peer saw it.
type heard struct {
	at      time.Time
	from    net.HardwareAddr // Ethernet source
	to      net.HardwareAddr // Ethernet destination
	packet  *arp.Packet      // or
	message *ndp.NeighborAdvertisement
	hops    byte
}

// about returns the address that the frame announces.
func (h heard) about() netip.Addr {
	if h.packet != nil {
		return h.packet.SenderIP
	}
	return h.message.TargetAddress
}

// A wire collects the announcements that reach the peer.
type wire struct {
	mu     sync.Mutex
	frames []heard
}

func (l *lab) listen(t testing.TB) *wire {
	t.Helper()
	var conn *packet.Conn
	l.peer.in(t, func() error {
		link, err := net.InterfaceByName(peerLink)
		if err != nil {
			return err
		}
		conn, err = packet.Listen(link, packet.Raw, unix.ETH_P_ALL, nil)
		return err
	})
	w := &wire{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 2048)
		for {
			n, _, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if frame, ok := hear(buffer[:n]); ok {
				w.add(frame)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return w
}

func (w *wire) add(frame heard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	frame.at = time.Now()
	w.frames = append(w.frames, frame)
}

// heardOf returns the announcements of one address so far.
func (w *wire) heardOf(ip netip.Addr) []heard {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []heard
	for _, frame := range w.frames {
		if frame.about() == ip {
			list = append(list, frame)
		}
	}
	return list
}

// hear decodes a frame that announces an address.
func hear(b []byte) (heard, bool) {
	var frame ethernet.Frame
	if err := frame.UnmarshalBinary(append([]byte(nil), b...)); err != nil {
		return heard{}, false
	}
	h := heard{from: frame.Source, to: frame.Destination}
	switch frame.EtherType {
	case ethernet.EtherTypeARP:
		h.packet = new(arp.Packet)
		err := h.packet.UnmarshalBinary(frame.Payload)
		return h, err == nil && h.packet.SenderIP == h.packet.TargetIP
	case ethernet.EtherTypeIPv6:
		const headerBytes = 40
		if len(frame.Payload) < headerBytes || frame.Payload[6] != unix.IPPROTO_ICMPV6 {
			return heard{}, false
		}
		h.hops = frame.Payload[7]
		message, err := ndp.ParseMessage(frame.Payload[headerBytes:])
		advertisement, ok := message.(*ndp.NeighborAdvertisement)
		h.message = advertisement
		return h, err == nil && ok
	}
	return heard{}, false
}

// serve echoes bytes on a listener in the host's namespace.
func (l *lab) serve(t testing.TB, network, address string) {
	t.Helper()
	var listener net.Listener
	l.host.in(t, func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
}

// dial connects from the peer and exchanges one byte.
func (l *lab) dial(t testing.TB, ip netip.Addr, port int) net.Conn {
	t.Helper()
	var conn net.Conn
	l.peer.in(t, func() (err error) {
		conn, err = net.DialTimeout("tcp", net.JoinHostPort(ip.String(), strconv.Itoa(port)), patience)
		return err
	})
	t.Cleanup(func() { _ = conn.Close() })
	if err := echo(conn); err != nil {
		t.Fatalf("%s port %d: %v", ip, port, err)
	}
	return conn
}

func echo(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{'?'}); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

// fromLibrary is an address that the netlink library reports.
func fromLibrary(a netlink.Addr, protocols map[netip.Prefix]uint8) present {
	ip, _ := netip.AddrFromSlice(a.IP)
	bits, _ := a.Mask.Size()
	prefix := netip.PrefixFrom(ip.Unmap(), bits)
	return present{
		LinkIndex: a.LinkIndex,
		Prefix:    prefix,
		Label:     a.Label,
		Protocol:  protocols[prefix],
		Flags:     uint32(a.Flags),
		Valid:     time.Duration(uint32(a.ValidLft)) * time.Second,
		Preferred: time.Duration(uint32(a.PreferedLft)) * time.Second,
	}
}

// protocolsOf returns what the library does not show: which protocol added each address of a link.
func protocolsOf(index int) (map[netip.Prefix]uint8, error) {
	r, err := openRequester(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	k := &netlinkKernel{lists: r}
	list, err := k.addresses(index)
	protocols := map[netip.Prefix]uint8{}
	for _, p := range list {
		protocols[p.Prefix] = p.Protocol
	}
	return protocols, firstError(err, r.close())
}
