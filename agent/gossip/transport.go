package gossip

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
	"golang.org/x/sys/unix"

	"memvip/agent/nowait"
)

const (
	// maxStreams bounds how many accepted streams are open at once, and with maxStream the memory
	// that strangers can make this process hold. Peers open one each, every PushPullInterval.
	maxStreams = 16
	// maxStrange is how many of them may come from where no node is configured: who has no key is not to keep the others out,
	// and a node at another address than configured is to be heard of.
	maxStrange = 4
	// packetBacklog is how many of memberlist's own packets wait while memberlist is busy. They are
	// few a second; when it is full, packets are dropped, so that core's messages never wait for them.
	packetBacklog = 256
	// receiveBuffer is what the socket may hold while the process does not run: some hundred packets,
	// which is more than all peers send in one lease. The kernel caps it at net.core.rmem_max.
	receiveBuffer = 1 << 20
	// errorPause keeps a socket that reports errors from taking a whole core.
	errorPause = 10 * time.Millisecond
	// tosNetworkControl is DSCP CS6, what routers use among themselves: a full link drops these last.
	tosNetworkControl = 0xc0
)

// linkFilter says whether traffic with a peer passes. Tests cut links with it.
type linkFilter func(peer netip.Addr) bool

// transport is memberlist's view of the network: one UDP and one TCP socket at one address. It hands
// on what screen has authenticated, and speaks to configured addresses only.
type transport struct {
	self    netip.AddrPort
	udp     *net.UDPConn
	raw     syscall.RawConn // of udp
	tcp     *net.TCPListener
	peers   map[string]peer // by "address:port", as memberlist writes it; never changes
	screen  *screen
	tally   *tally
	sealed  sealed
	filter  linkFilter
	message func(source string, envelope []byte) // gets user messages; returns at once, keeps nothing

	packets chan *memberlist.Packet
	accepts chan net.Conn

	ctx    context.Context // ends with Shutdown
	cancel context.CancelFunc
	wg     sync.WaitGroup // goroutines and open streams

	mu       sync.Mutex
	closed   bool // no stream may be added to wg any more
	streams  map[*stream]struct{}
	accepted int // streams among them that this side accepted
}

// peer is where a configured node is.
type peer struct {
	addr netip.AddrPort
	raw  *nowait.Address // of addr
}

func newPeer(addr netip.AddrPort) peer { return peer{addr, nowait.AddressOf(addr)} }

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// listen opens the sockets, at self.
func (t *transport) listen() error {
	t.packets = make(chan *memberlist.Packet, packetBacklog)
	t.accepts = make(chan net.Conn)
	t.streams = make(map[*stream]struct{})
	t.ctx, t.cancel = context.WithCancel(context.Background())
	lc := net.ListenConfig{Control: markUrgent}
	pc, err := lc.ListenPacket(t.ctx, "udp", t.self.String())
	if err != nil {
		return err
	}
	t.udp = pc.(*net.UDPConn)
	ln, err := (&net.ListenConfig{}).Listen(t.ctx, "tcp", t.self.String())
	if err != nil {
		_ = t.udp.Close()
		return err
	}
	t.tcp = ln.(*net.TCPListener)
	if t.raw, err = t.udp.SyscallConn(); err == nil {
		err = t.udp.SetReadBuffer(receiveBuffer)
	}
	if err != nil {
		_ = t.udp.Close()
		_ = t.tcp.Close()
		return err
	}
	return nil
}

// markUrgent asks for network control priority, as routing protocols do.
func markUrgent(network, _ string, c syscall.RawConn) error {
	var err error
	level, option := unix.IPPROTO_IP, unix.IP_TOS
	if network == "udp6" {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	ctlErr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, tosNetworkControl) })
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

// run starts reading.
func (t *transport) run() {
	t.wg.Go(t.readPackets)
	t.wg.Go(t.acceptStreams)
}

func (t *transport) readPackets() {
	packet := make([]byte, 1<<16)
	content := make([]byte, 0, 1<<16)
	var (
		n    int
		from netip.AddrPort
		err  error
	)
	receive := func(fd uintptr) (done bool) {
		n, from, err = nowait.Receive(fd, packet)
		return err != unix.EAGAIN
	}
	for {
		if rawErr := t.raw.Read(receive); rawErr != nil || err != nil {
			if !t.pause() {
				return
			}
			continue
		}
		t.handlePacket(from, packet[:n], content)
	}
}

// handlePacket sorts one packet; content is room to decrypt it in.
func (t *transport) handlePacket(from netip.AddrPort, packet, content []byte) {
	if !t.passes(from.Addr()) {
		return
	}
	content, err := t.screen.openPacket(from.Addr(), content[:0], packet)
	if err != nil {
		t.sealed.note(from.Addr(), err)
		t.tally.drop(err)
		return
	}
	if envelope, ok := userMessage(content); ok {
		t.message(from.String(), envelope)
		return
	}
	select {
	case t.packets <- &memberlist.Packet{Buf: bytes.Clone(packet), From: net.UDPAddrFromAddrPort(from), Timestamp: time.Now()}:
	default:
		t.tally.dropped[DropBusy].Add(1)
	}
}

func (t *transport) acceptStreams() {
	for {
		conn, err := t.tcp.AcceptTCP()
		if err != nil {
			if !t.pause() {
				return
			}
			continue
		}
		if from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); !t.passes(from) {
			_ = conn.Close()
			continue
		}
		s, err := t.track(conn, true)
		if err != nil {
			t.tally.drop(err)
			_ = conn.Close()
			continue
		}
		select {
		case t.accepts <- s:
		case <-t.ctx.Done():
			_ = s.Close()
		}
	}
}

// pause waits a little after an error of a socket, and reports whether the transport is still wanted.
func (t *transport) pause() bool {
	select {
	case <-t.ctx.Done():
		return false
	case <-time.After(errorPause):
		return true
	}
}

func (t *transport) passes(peer netip.Addr) bool { return t.filter == nil || t.filter(peer) }

// FinalAdvertiseAddr returns the address the sockets are bound to: the one that is configured
// everywhere.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.self.Addr().AsSlice(), int(t.self.Port()), nil
}

// WriteTo is WriteToAddress.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress is send, for memberlist.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	to, ok := t.peers[a.Addr]
	if !ok {
		return time.Time{}, fmt.Errorf("%s is not the address of a configured node", a.Addr)
	}
	if err := t.send(b, to); err != nil {
		return time.Time{}, err
	}
	return time.Now(), nil
}

// send hands a packet to the kernel, or fails: it never waits for room, since a peer whose
// hardware address does not resolve must not hold up what is meant for the others. What the kernel
// refuses is a *net.OpError, by which memberlist knows that a probe has failed.
func (t *transport) send(packet []byte, to peer) error {
	if !t.passes(to.addr.Addr()) {
		return nil
	}
	var err error
	rawErr := t.raw.Write(func(fd uintptr) (done bool) {
		err = nowait.Send(fd, packet, to.raw)
		return true
	})
	switch {
	case rawErr != nil:
		return net.ErrClosed
	case err != nil:
		return &net.OpError{Op: "write", Net: "udp", Addr: net.UDPAddrFromAddrPort(to.addr), Err: err}
	}
	return nil
}

// PacketCh delivers memberlist's own packets.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh delivers accepted streams.
func (t *transport) StreamCh() <-chan net.Conn { return t.accepts }

// DialTimeout is DialAddressTimeout.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout connects from the address that the other nodes know.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	to, ok := t.peers[a.Addr]
	if !ok {
		return nil, fmt.Errorf("%s is not the address of a configured node", a.Addr)
	}
	if !t.passes(to.addr.Addr()) {
		return nil, unix.EHOSTUNREACH
	}
	d := net.Dialer{Timeout: timeout, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.self.Addr(), 0))}
	conn, err := d.DialContext(t.ctx, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	s, err := t.track(conn, false)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// Shutdown closes the sockets and every open stream, and returns when no goroutine of the transport
// runs and memberlist has let go of every stream.
func (t *transport) Shutdown() error {
	t.cancel()
	t.mu.Lock()
	t.closed = true
	open := make([]*stream, 0, len(t.streams))
	for s := range t.streams {
		open = append(open, s)
	}
	t.mu.Unlock()
	_ = t.udp.Close()
	_ = t.tcp.Close()
	for _, s := range open {
		_ = s.Conn.Close() // its user notices, and closes s
	}
	t.wg.Wait()
	return nil
}
