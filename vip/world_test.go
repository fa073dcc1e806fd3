package vip

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// A world is a host with one link, hostLink, and a peer on the same wire, pretended or real.
type world interface {
	// open begins a life of the package on the host.
	open(t testing.TB) *Manager
	// there lists the host's addresses of the link, by other means than the Manager.
	there(t testing.TB) []present
	// addForeign and removeForeign are somebody else's doing on the host.
	addForeign(t testing.TB, prefix netip.Prefix)
	removeForeign(t testing.TB, prefix netip.Prefix)
	// setLink takes the link down or up.
	setLink(t testing.TB, up bool)
	// connect opens a connection from the peer, through a listener on [::] or on the address itself,
	// and returns a function that waits for its end and says what the client saw.
	connect(t testing.TB, ip netip.Addr, port int) (ended func() error)
	// heardOf returns the announcements of an address that reached the peer.
	heardOf(ip netip.Addr) []heard
	// send has the peer send a frame.
	send(t testing.TB, frame []byte)
}

// fakeWorld is a host on a fakeKernel.
type fakeWorld struct{ kernel *fakeKernel }

func isFake(w world) bool { _, fake := w.(*fakeWorld); return fake }

func (w *fakeWorld) open(t testing.TB) *Manager {
	w.kernel.closed = false
	m := newManager(w.kernel)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func (w *fakeWorld) there(testing.TB) []present {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	w.kernel.expire()
	var list []present
	for _, a := range w.kernel.there[2] {
		list = append(list, a.present)
	}
	return list
}

func (w *fakeWorld) addForeign(_ testing.TB, prefix netip.Prefix) {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	w.kernel.there[2] = append(w.kernel.there[2], fakeAddress{present: present{
		LinkIndex: 2, Prefix: prefix, Label: hostLink, Valid: lifetimeForever, Preferred: lifetimeForever,
	}})
}

func (w *fakeWorld) removeForeign(t testing.TB, prefix netip.Prefix) {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	w.kernel.byOthers = append(w.kernel.byOthers, removal{prefix, uint32(os.Getpid())})
	if err := w.kernel.removeLocked(2, prefix); err != nil {
		t.Fatal(err)
	}
}

func (w *fakeWorld) setLink(_ testing.TB, up bool) {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	w.kernel.list[1].Up = up
	w.kernel.tellChange()
}

func (w *fakeWorld) connect(t testing.TB, ip netip.Addr, _ int) func() error {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	if !w.kernel.routes(ip) {
		t.Fatalf("no host answers for %s", ip)
	}
	c := w.kernel.connectLocked(ip)
	return func() error {
		w.kernel.mu.Lock()
		defer w.kernel.mu.Unlock()
		return c.ended
	}
}

func (w *fakeWorld) heardOf(ip netip.Addr) []heard {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	var list []heard
	for _, sent := range w.kernel.frames {
		if frame, ok := hear(sent.bytes); ok && frame.about() == ip {
			frame.at = sent.at
			list = append(list, frame)
		}
	}
	return list
}

func (w *fakeWorld) send(_ testing.TB, frame []byte) { w.kernel.receive(2, frame) }

// realWorld is a host in a namespace of this machine's kernel.
type realWorld struct {
	*lab
	served  map[netip.AddrPort]bool
	options Options
}

func newRealWorld(t testing.TB) *realWorld {
	return &realWorld{lab: newLab(t), served: map[netip.AddrPort]bool{}, options: Options{Fence: FenceOff}}
}

// newFencedWorld is one with nftables.
func newFencedWorld(t testing.TB) *realWorld {
	w := newRealWorld(t)
	w.options = Options{Fence: FenceNFTables, Links: []string{hostLink}, Managed: []netip.Addr{
		service.Prefix.Addr(), service6.Prefix.Addr(), netip.MustParseAddr("10.0.0.51"), netip.MustParseAddr("10.0.0.52"),
	}}
	return w
}

func (w *realWorld) open(t testing.TB) *Manager {
	t.Helper()
	var m *Manager
	w.host.in(t, func() (err error) {
		m, err = Open(w.options)
		return err
	})
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// there asks the netlink library, and our own decoder only for what the library does not show.
func (w *realWorld) there(t testing.TB) []present {
	t.Helper()
	var list []present
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err != nil {
			return err
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		protocols, err := protocolsOf(link.Attrs().Index)
		for _, a := range addresses {
			list = append(list, fromLibrary(a, protocols))
		}
		return err
	})
	return list
}

func (w *realWorld) addForeign(t testing.TB, prefix netip.Prefix) {
	t.Helper()
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, libraryAddress(prefix, 0))
	})
}

func (w *realWorld) removeForeign(t testing.TB, prefix netip.Prefix) {
	t.Helper()
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err != nil {
			return err
		}
		return netlink.AddrDel(link, libraryAddress(prefix, 0))
	})
}

func (w *realWorld) setLink(t testing.TB, up bool) {
	t.Helper()
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err != nil {
			return err
		}
		if up {
			return netlink.LinkSetUp(link)
		}
		return netlink.LinkSetDown(link)
	})
}

func (w *realWorld) connect(t testing.TB, ip netip.Addr, port int) func() error {
	t.Helper()
	at := netip.AddrPortFrom(ip, uint16(port))
	if port == wildPort {
		at = netip.AddrPortFrom(netip.IPv6Unspecified(), wildPort)
	}
	if !w.served[at] {
		w.serve(t, "tcp", strings.TrimPrefix(at.String(), "[::]"))
		w.served[at] = true
	}
	conn := w.dial(t, ip, port)
	return func() error { return endOf(conn) }
}

// endOf waits for the end of a connection and returns what the client saw.
func endOf(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	_, err := conn.Read(make([]byte, 1))
	if err == nil {
		return fmt.Errorf("connection is alive")
	}
	return err
}

func (w *realWorld) heardOf(ip netip.Addr) []heard { return w.wire.heardOf(ip) }

func (w *realWorld) send(t testing.TB, frame []byte) {
	t.Helper()
	w.peer.in(t, func() error {
		link, err := net.InterfaceByName(peerLink)
		if err != nil {
			return err
		}
		sender, err := openFrameSender()
		if err != nil {
			return err
		}
		return firstError(sender.send(link.Index, frame), sender.close())
	})
}
