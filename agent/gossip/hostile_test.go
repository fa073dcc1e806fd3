package gossip

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"memvip/agent/core"
)

// stranger is a socket at an address of the test's, for sending what no agent sends and for hearing
// what an agent sends.
type stranger struct {
	udp  *net.UDPConn
	addr netip.Addr
}

func newStranger(t *testing.T, addr netip.Addr, port int) *stranger {
	t.Helper()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(port))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	return &stranger{udp, addr}
}

func (s *stranger) throw(t *testing.T, at *node, packet []byte) {
	t.Helper()
	to := netip.AddrPortFrom(at.opts.Bind, uint16(at.opts.Port))
	if _, err := s.udp.WriteToUDPAddrPort(packet, to); err != nil {
		t.Fatal(err)
	}
}

// record returns a packet that a really sends to b: the message, among whatever memberlist sends.
func (s *stranger) record(t *testing.T, a *node, msg core.Message) []byte {
	t.Helper()
	if err := a.Send("b", msg); err != nil {
		t.Fatal(err)
	}
	return s.next(t)
}

// next waits for a packet that is a user message.
func (s *stranger) next(t *testing.T) []byte {
	t.Helper()
	if err := s.udp.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	for {
		n, _, err := s.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		content, err := testScreen(t).openPacket(netip.Addr{}, nil, buf[:n])
		if err != nil {
			t.Fatalf("a packet of a's does not open: %v", err)
		}
		if _, ok := userMessage(content); ok {
			return bytes.Clone(buf[:n])
		}
	}
}

// connect opens a connection to a's TCP port, from the address of its peer b.
func connect(t *testing.T, a *node) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.opts.Peers["b"], 0))}
	conn, err := d.DialContext(t.Context(), "tcp", netip.AddrPortFrom(a.opts.Bind, uint16(a.opts.Port)).String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// dial sends bytes to a's TCP port and waits until a hangs up.
func dial(t *testing.T, a *node, raw []byte) {
	t.Helper()
	conn := connect(t, a)
	defer conn.Close()
	if _, err := conn.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 {
		t.Errorf("a answered %d bytes, %v; want to be hung up on", n, err)
	}
}

// A recorded packet, whole or mutilated, thrown at the node it was for, at another and at its sender:
// it is taken once, where it belongs, and counted everywhere else.
func TestRecordedPackets(t *testing.T) {
	port := freePort(t)
	all := []string{"a", "b", "c"}
	a := begin(t, options(port, "a", all...))
	ear := newStranger(t, addresses["b"], port)
	packet := ear.record(t, a, core.Hint{Voter: "a", Name: "v"})
	ear.udp.Close()
	b, c := begin(t, options(port, "b", all...)), begin(t, options(port, "c", all...))
	a.sees(t, "b", "c")

	out := newStranger(t, addresses["x"], port)
	out.throw(t, b, packet)
	if got := b.next(t); got.msg != (core.Hint{Voter: "a", Name: "v"}) {
		t.Errorf("b heard %+v of a recorded packet", got.msg)
	}
	version := len(testScreen(t).label)
	for _, tc := range []struct {
		name   string
		at     *node
		packet []byte
		want   DropReason
	}{
		{"again", b, packet, DropReplayed},
		{"at_another", c, packet, DropMisdirected},
		{"at_its_sender", a, packet, DropMisdirected},
		{"last_byte_missing", b, packet[:len(packet)-1], DropUndecryptable},
		{"almost_nothing_left", b, packet[:version+sealedBytes+1], DropUndecryptable},
		{"label_only", b, packet[:version], DropShort},
		{"label_cut", b, packet[:3], DropLabel},
		{"altered", b, changed(packet, len(packet)-1, packet[len(packet)-1]^1), DropUndecryptable},
		{"version_that_makes_memberlist_panic", b, changed(packet, version, 0), DropCipher},
		{"unlabelled", b, packet[version:], DropLabel},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := tc.at.Stats().Dropped[tc.want]
			out.throw(t, tc.at, tc.packet)
			eventually(t, "the packet to be counted", func() bool { return tc.at.Stats().Dropped[tc.want] > before })
		})
	}
	if len(b.messages)+len(c.messages)+len(a.messages) != 0 {
		t.Error("a packet was heard twice")
	}
	delivers(t, a, b)
	delivers(t, b, a)
	a.sees(t, "b", "c")
}

// Every truncation and thousands of random packets: each is counted, none does harm.
func TestGarbageAtTheUDPPort(t *testing.T) {
	port := freePort(t)
	all := []string{"a", "b"}
	a := begin(t, options(port, "a", all...))
	ear := newStranger(t, addresses["b"], port)
	packet := ear.record(t, a, filled(core.Hint{Voter: "a"}))
	ear.udp.Close()
	b := begin(t, options(port, "b", all...))

	out := newStranger(t, addresses["x"], port)
	random := rand.NewChaCha8([32]byte{1})
	thrown := uint64(0)
	throw := func(p []byte) {
		out.throw(t, b, p)
		thrown++
		// One at a time, or the socket's buffer overflows and nobody could count the rest.
		eventually(t, fmt.Sprintf("packet %d to be counted", thrown), func() bool { return dropped(b) >= thrown })
	}
	for n := range len(packet) {
		throw(packet[:n])
	}
	for i := range 1000 {
		p := make([]byte, i%1500)
		if _, err := random.Read(p); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			p = append(bytes.Clone(testScreen(t).label), p...)
		}
		throw(p)
	}
	if got := dropped(b); got != thrown {
		t.Errorf("%d packets counted, %d thrown", got, thrown)
	}
	delivers(t, a, b)
	a.sees(t, "b")
}

func dropped(n *node) uint64 {
	var sum uint64
	for _, count := range n.Stats().Dropped {
		sum += count
	}
	return sum
}

func TestGarbageAtTheTCPPort(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	all := []string{"a", "b"}
	a, b := begin(t, options(port, "a", all...)), begin(t, options(port, "b", all...))
	s := testScreen(t)
	good := s.stream(1, []byte("\x06"), true)
	for _, tc := range []struct {
		name string
		raw  []byte
		want DropReason
	}{
		{"text", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), DropLabel},
		{"unencrypted", append(bytes.Clone(s.label), "\x06abcdefgh"...), DropCipher},
		{"endless", append(bytes.Clone(s.label), 10, 0xff, 0xff, 0xff, 0xff), DropOversize},
		{"altered", changed(good, len(good)-1, good[len(good)-1]^1), DropUndecryptable},
		{"version_that_makes_memberlist_panic", changed(good, len(s.label)+5, 0), DropCipher},
		{"stops_in_the_middle", good[:len(good)-3], DropShort},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := a.Stats().Dropped[tc.want]
			dial(t, a, tc.raw)
			if got := a.Stats().Dropped[tc.want]; got != before+1 {
				t.Errorf("counted %d times, want once", got-before)
			}
		})
	}
	dial(t, a, good)
	dial(t, a, good)
	if got := a.Stats().Dropped[DropReplayed]; got != 1 {
		t.Errorf("a replayed stream was counted %d times, want once", got)
	}
	delivers(t, b, a)
	a.sees(t, "b")
}

// Connections that say nothing are bounded in number and in time, and keep no message from arriving.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	all := []string{"a", "b"}
	a := begin(t, options(port, "a", all...))
	for range 2 * maxStreams {
		defer connect(t, a).Close()
	}
	a.counts(t, DropStreamLimit)
	b := begin(t, options(port, "b", all...))
	delivers(t, b, a)
	a.sees(t, "b")
}

// connFrom is a connection of which nothing is asked but where it comes from.
type connFrom struct {
	net.Conn
	from netip.Addr
}

func (c connFrom) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.from, 4711))
}
func (c connFrom) Close() error { return nil }

// Who is no peer takes few of the places that connections have.
func TestConnectionsOfStrangers(t *testing.T) {
	tr := &transport{streams: map[*stream]struct{}{}, peers: map[string]peer{"b": {addr: netip.AddrPortFrom(addresses["b"], 7946)}}}
	take := func(n int, from netip.Addr) (streams []*stream) {
		t.Helper()
		for range n {
			s, err := tr.track(connFrom{from: from}, true)
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		return streams
	}
	refused := func(from netip.Addr) {
		t.Helper()
		if _, err := tr.track(connFrom{from: from}, true); ReasonOf(err) != DropStreamLimit {
			t.Errorf("one more from %s: %v, want %s", from, err, DropStreamLimit)
		}
	}
	strange := take(maxStrange, addresses["x"])
	refused(addresses["x"])
	take(maxStreams-maxStrange, addresses["b"])
	refused(addresses["b"])
	if err := strange[0].Close(); err != nil {
		t.Fatal(err)
	}
	take(1, addresses["x"])
	refused(addresses["x"])
}

// With another key nothing gets in, by UDP or TCP, in either direction; it is counted on both sides.
func TestOtherKey(t *testing.T) {
	port := freePort(t)
	all := []string{"a", "b", "c"}
	a, b := begin(t, options(port, "a", all...)), begin(t, options(port, "b", all...))
	o := options(port, "c", all...)
	o.Keys = [][]byte{bytes.Repeat([]byte{8}, keyBytes)}
	c := begin(t, o)
	a.sees(t, "b")
	a.Publish(core.NodeState{Node: "a", Start: 1, Seq: 1})
	c.Publish(core.NodeState{Node: "c", Start: 1, Seq: 1})
	for _, pair := range [][2]*node{{a, c}, {c, a}} {
		if err := pair[0].Send(pair[1].opts.Node, core.Decline{From: pair[0].opts.Node}); err != nil {
			t.Fatal(err)
		}
		pair[1].counts(t, DropUndecryptable)
		eventually(t, "whose it was to be known", func() bool { return pair[1].Sealed()[pair[0].opts.Node].Packets > 0 })
	}
	eventually(t, "c's joins to fail", func() bool { return c.Stats().JoinFailed >= 2 })
	delivers(t, a, b)
	a.sees(t, "b")
	c.sees(t)
	if len(a.messages)+len(c.messages)+len(c.states) != 0 || a.Stats().StatesHeard != 0 {
		t.Error("something got in")
	}
}

func TestOtherCluster(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	all := []string{"a", "b"}
	a := begin(t, options(port, "a", all...))
	o := options(port, "b", all...)
	o.ClusterName = "another"
	b := begin(t, o)
	if err := b.Send("a", core.Decline{From: "b"}); err != nil {
		t.Fatal(err)
	}
	a.counts(t, DropLabel)
	b.counts(t, DropLabel)
	a.sees(t)
	if len(a.messages) != 0 {
		t.Error("a message of another cluster was heard")
	}
}

// A node with the key that is not configured here: neither a member nor heard.
func TestUnknownNode(t *testing.T) {
	port := freePort(t)
	a, b := begin(t, options(port, "a", "a", "b")), begin(t, options(port, "b", "a", "b"))
	x := begin(t, options(port, "x", "a", "b", "x"))
	a.sees(t, "b")
	a.counts(t, DropUnknownNode)
	x.Publish(core.NodeState{Node: "x", Start: 1, Seq: 1})
	before := a.Stats().Dropped[DropUnknownNode]
	if err := x.Send("a", core.Decline{From: "x"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message to be counted", func() bool { return a.Stats().Dropped[DropUnknownNode] > before })
	delivers(t, a, b)
	a.sees(t, "b")
	if len(a.messages)+len(a.states) != 0 {
		t.Error("an unknown node was heard")
	}
}

// A node that is configured, but speaks from another address than configured, is no member. Its
// messages are delivered with that address, for core to refuse and to name.
func TestWrongAddress(t *testing.T) {
	port := freePort(t)
	all := []string{"a", "b", "c"}
	a, b := begin(t, options(port, "a", all...)), begin(t, options(port, "b", all...))
	o := options(port, "b", all...)
	o.Bind = addresses["x"]
	double := begin(t, o)
	a.sees(t, "b")
	a.counts(t, DropWrongAddress)
	if err := double.Send("a", core.Decline{From: "b", Name: "double"}); err != nil {
		t.Fatal(err)
	}
	want := heard{netip.AddrPortFrom(addresses["x"], uint16(port)).String(), core.Decline{From: "b", Name: "double"}}
	if got := a.next(t); got != want {
		t.Errorf("a heard %+v, want %+v", got, want)
	}
	delivers(t, b, a)
	a.sees(t, "b")
}

// When memberlist does not keep up, its own packets are dropped and counted; messages still arrive.
func TestMessagesDoNotWaitForMemberlist(t *testing.T) {
	s := testScreen(t)
	var got [][]byte
	counted := new(tally)
	tr := &transport{
		screen: s, tally: counted,
		packets: nil, // nobody will ever take one
		message: func(_ string, envelope []byte) { got = append(got, bytes.Clone(envelope)) },
	}
	source := netip.AddrPortFrom(addresses["b"], 7946)
	room := make([]byte, 0, 1<<16)
	tr.handlePacket(source, s.packet(1, []byte("\x00ping")), room)
	tr.handlePacket(source, s.packet(2, append([]byte{markUser}, "message"...)), room)
	tr.handlePacket(source, s.packet(3, []byte("\x04alive")), room)
	if len(got) != 1 || string(got[0]) != "message" {
		t.Errorf("messages delivered: %q, want one", got)
	}
	if n := counted.read().Dropped[DropBusy]; n != 2 {
		t.Errorf("%d packets counted as %s, want 2", n, DropBusy)
	}
}
