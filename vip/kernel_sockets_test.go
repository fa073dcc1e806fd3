package vip

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

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

// The kernel looks a socket up by its addresses, and takes the listener where the connection is gone;
// only the cookie keeps it from ending that.
func TestKernelStaleNameSparesTheListener(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	w.connect(t, service.Prefix.Addr(), boundPort)
	list, err := m.kernel.sockets(service.Prefix.Addr())
	if len(list) != 1 || err != nil {
		t.Fatalf("sockets: %v, %v", list, err)
	}
	for _, want := range []int{1, 0} {
		if n, err := m.kernel.destroy(list); n != want || err != nil {
			t.Errorf("destroyed %d, %v; want %d", n, err, want)
		}
	}
	w.connect(t, service.Prefix.Addr(), boundPort)
}

// A connection that the server's process has not seen yet is a request in the kernel only, and one that
// is over for both sides is kept for a minute: neither may be left when the address moves.
func TestKernelDropEndsEveryState(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.openInUse(t)
	awaitStates(t, m, stateEstablished, stateSynReceived, stateTimeWait)
	if dropped := drop(t, m, service); dropped.Sockets != 3 {
		t.Errorf("destroyed %d sockets, want 3", dropped.Sockets)
	}
	list, err := m.kernel.sockets(service.Prefix.Addr())
	if len(list) != 0 || err != nil {
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestKernelTellsWhatIsOver: what no process reads from, which is not to be asked for where the kernel cannot destroy it.
// A connection that only this side has closed looks by its state like one that a process has.
func TestKernelTellsWhatIsOver(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.openInUse(t)
	w.finWait(t, service.Prefix.Addr())
	awaitStates(t, m, stateEstablished, stateSynReceived, stateTimeWait, stateFinWait2)
	k := m.kernel.(*netlinkKernel)
	for _, want := range []int{4, 2} {
		if list, err := k.sockets(service.Prefix.Addr()); len(list) != want || err != nil {
			t.Errorf("%d listed, %v; want %d", len(list), err, want)
		}
		k.keepsOver.Store(true)
	}
	if dropped := drop(t, m, service); dropped.Sockets != 2 {
		t.Errorf("destroyed %d sockets, want 2", dropped.Sockets)
	}
}

// TestRefusalToDestroy: kernels before 6.0 do not destroy what is over, and some destroy nothing.
func TestRefusalToDestroy(t *testing.T) {
	over, live := socket{over: true}, socket{}
	for _, c := range []struct {
		s     socket
		errno unix.Errno
		want  error
		keeps bool
	}{
		{live, unix.ENOENT, nil, false},
		{over, unix.ESTALE, nil, false},
		{live, unix.EPERM, unix.EPERM, false},
		{over, unix.EPERM, unix.EPERM, false},
		{live, unix.EOPNOTSUPP, ErrNoSocketDestroy, false},
		{over, unix.EOPNOTSUPP, nil, true},
	} {
		var k netlinkKernel
		if err := k.destroyError(c.s, c.errno); !errors.Is(err, c.want) {
			t.Errorf("%v of %+v: %v, want %v", c.errno, c.s, err, c.want)
		}
		if k.ends(over) == c.keeps || !k.ends(live) {
			t.Errorf("after %v of %+v: over ends %v, live %v", c.errno, c.s, k.ends(over), k.ends(live))
		}
	}
}

// TestKernelRefusalNamesItsRequest among many.
func TestKernelRefusalNamesItsRequest(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	for range batchMax + 7 {
		w.connect(t, service.Prefix.Addr(), boundPort)
	}
	k := m.kernel.(*netlinkKernel)
	list, err := k.sockets(service.Prefix.Addr())
	if err != nil {
		t.Fatal(err)
	}
	var bodies [][]byte
	var gone []socket
	var want, got []int
	for i, s := range list {
		bodies = append(bodies, encodeSocketDestroy(s))
		if i%3 == 1 {
			gone, want = append(gone, s), append(want, i)
		}
	}
	if n, err := k.destroy(gone); n != len(gone) || err != nil {
		t.Fatalf("destroyed %d, %v", n, err)
	}
	if err := k.diag.batch(unix.SOCK_DESTROY, bodies, func(i int, _ unix.Errno) { got = append(got, i) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("refused %v, want %v", got, want)
	}
}

// awaitStates waits until there is one connection of the service in each of the states.
func awaitStates(t *testing.T, m *Manager, want ...uint8) {
	t.Helper()
	var states []uint8
	ask := encodeSocketDump(service.Prefix.Addr())
	waitFor(t, "the states of the connections", func() bool {
		diag := m.kernel.(*netlinkKernel).diag
		err := diag.dump(diagDump, ask, func() { states = nil }, func(answer []byte) error {
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

// openInUse returns a manager whose address has a connection, one that is half open and one that is over.
func (w *realWorld) openInUse(t *testing.T) *Manager {
	t.Helper()
	m := w.open(t)
	take(t, m, service)
	w.connect(t, service.Prefix.Addr(), boundPort)
	w.halfOpen(t, service.Prefix.Addr(), boundPort)
	w.timeWait(t, service.Prefix.Addr())
	return m
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
	if err := w.finWait(t, ip).Close(); err != nil {
		t.Fatal(err)
	}
}

// finWait makes one that only the server has closed, and returns the client's end.
func (w *realWorld) finWait(t *testing.T, ip netip.Addr) net.Conn {
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
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
