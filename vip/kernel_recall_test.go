package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rounds is how many there are of a recall.
func rounds() uint64 {
	n := 0
	for {
		if _, more := RecallSchedule(n); !more {
			return uint64(n)
		}
		n++
	}
}

// clientsOf names connections as a former holder would have.
type clientsOf struct{ list atomic.Pointer[[]Client] }

func (c *clientsOf) set(list ...Client) { c.list.Store(&list) }

func (c *clientsOf) of(netip.Addr) []Client {
	if list := c.list.Load(); list != nil {
		return *list
	}
	return nil
}

// withFormer is a world in which Managers ask for former clients.
func withFormer(w *realWorld) *clientsOf {
	c := &clientsOf{}
	w.options.Former = c.of
	return c
}

// clientOf is a connection of the peer's as the host's former life knew it.
func clientOf(conn net.Conn) Client {
	local, remote := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	return Client{Peer: netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), Port: remote.Port()}
}

// tcpInfo is what the client's kernel knows of a connection.
func tcpInfo(t *testing.T, conn net.Conn) (info *unix.TCPInfo) {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failure error
	err = raw.Control(func(fd uintptr) {
		info, failure = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err := errors.Join(err, failure); err != nil {
		t.Fatal(err)
	}
	return info
}

// dies ends the address's connections without a word to the client, as the death of their host does.
func (w *realWorld) dies(t *testing.T, m *Manager, a Address, conn net.Conn) {
	t.Helper()
	w.peerNFT(t, "add table inet deaf")
	w.peerNFT(t, "add chain inet deaf arriving { type filter hook prerouting priority 0 ; }")
	w.peerNFT(t, "add rule inet deaf arriving tcp flags & rst == rst drop")
	if _, err := m.Expel(a); err != nil {
		t.Fatal(err)
	}
	w.peerNFT(t, "delete table inet deaf")
	if state := tcpInfo(t, conn).State; state != stateEstablished {
		t.Fatalf("the client's connection is in state %d already, so this test shows nothing", state)
	}
}

func (w *realWorld) peerNFT(t *testing.T, words string) {
	t.Helper()
	w.peer.in(t, func() error {
		if out, err := exec.Command("nft", strings.Fields(words)...).CombinedOutput(); err != nil {
			return fmt.Errorf("nft %s: %w: %s", words, err, out)
		}
		return nil
	})
}

// TestKernelRecallEndsIdleConnections: a client that sends nothing and waits hears at once that its connection died with
// the former holder, fence or not.
func TestKernelRecallEndsIdleConnections(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func(testing.TB) *realWorld{"fenced": newFencedWorld, "unfenced": newRealWorld} {
		for _, a := range []Address{service, service6} {
			t.Run(name+"/"+a.Prefix.String(), func(t *testing.T) {
				t.Parallel()
				w := world(t)
				former := withFormer(w)
				w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
				m := w.open(t)
				take(t, m, a)
				conn := w.dial(t, a.Prefix.Addr(), wildPort)
				w.dies(t, m, a, conn)
				former.set(clientOf(conn))
				take(t, m, a)
				if err := endOf(conn); !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("client saw %v, want a reset", err)
				}
				waitFor(t, "all rounds", func() bool { return m.Counts().Tickled == rounds() })
				if n := m.Counts().RecallFailed; n != 0 {
					t.Errorf("%d packets not sent", n)
				}
			})
		}
	}
}

// TestKernelRecallSparesTheLiving: a client that has connected again by the same ports keeps its connection, and so do
// those of an address that stayed where it was.
func TestKernelRecallSparesTheLiving(t *testing.T) {
	t.Parallel()
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			former := withFormer(w)
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			m := w.open(t)
			take(t, m, a)
			port := clientOf(w.dial(t, a.Prefix.Addr(), wildPort)).Peer.Port()
			drop(t, m, a)
			again := netip.AddrPortFrom(peerOf(a), port)
			former.set(Client{Peer: again, Port: wildPort})
			take(t, m, a)
			conn := w.dialFrom(t, again, a.Prefix.Addr(), wildPort)
			waitFor(t, "all rounds", func() bool { return m.Counts().Tickled == rounds() })
			if err := echo(conn); err != nil {
				t.Fatalf("after the recall: %v", err)
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			next := w.open(t)
			dropAtEnd(t, next, a)
			take(t, next, a) // is still there
			take(t, next, a)
			waitFor(t, "announcements", func() bool { return next.Counts().Announced > 2 }) // past all rounds
			if err := echo(conn); err != nil || next.Counts().Tickled != 0 {
				t.Errorf("after it was taken where it stayed: %v, %d sent", err, next.Counts().Tickled)
			}
		})
	}
}

func peerOf(a Address) netip.Addr {
	if a.Prefix.Addr().Is4() {
		return peerIP4.Addr()
	}
	return peerIP6.Addr()
}

// dialFrom is dial from an end that is free again.
func (l *lab) dialFrom(t *testing.T, from netip.AddrPort, ip netip.Addr, port uint16) net.Conn {
	t.Helper()
	var conn net.Conn
	l.peer.in(t, func() (err error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from), Timeout: patience}
		conn, err = d.Dial("tcp", netip.AddrPortFrom(ip, port).String())
		return err
	})
	t.Cleanup(func() { _ = conn.Close() })
	if err := echo(conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestKernelRecallTellsTheNeighbours: an announcement goes to each neighbour that clients are reached by, once a round.
func TestKernelRecallTellsTheNeighbours(t *testing.T) {
	t.Parallel()
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t)
			former := withFormer(w)
			mac := MAC(w.peerMAC(t))
			nobody := netip.AddrPortFrom(peerOf(a), 9)
			former.set(
				Client{Peer: nobody, Port: wildPort, MAC: mac},
				Client{Peer: netip.AddrPortFrom(peerOf(a), 10), Port: wildPort, MAC: mac}, // by the same
				Client{Peer: netip.AddrPortFrom(peerOf(a), 11), Port: wildPort, MAC: MAC{1, 0, 0x5e, 0, 0, 1}},
				Client{Peer: netip.AddrPortFrom(peerOf(a), 12), Port: wildPort},
			)
			m := w.open(t)
			take(t, m, a)
			waitFor(t, "all rounds", func() bool { return m.Counts().Tickled == 4*rounds() })
			frames, err := announcement(w.hostMAC(t), a.Prefix.Addr())
			if err != nil {
				t.Fatal(err)
			}
			want := len(frames) * int(rounds())
			if n := int(m.Counts().Directed); n != want {
				t.Errorf("counted %d, want %d", n, want)
			}
			waitFor(t, "frames for the neighbour alone", func() bool {
				alone := 0
				for _, h := range w.heardOf(a.Prefix.Addr()) {
					if MAC(h.to) == mac {
						alone++
					}
				}
				return alone == want
			})
		})
	}
}

// TestKernelRecallIsPaced: so many clients at once are not all sent to at once, and a release does not wait for them.
func TestKernelRecallIsPaced(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	former := withFormer(w)
	var many []Client
	for i := range 10 * recallsPerSecond {
		many = append(many, Client{Peer: netip.AddrPortFrom(peerIP4.Addr(), uint16(i)), Port: wildPort})
	}
	former.set(many...)
	m := w.open(t)
	begun := time.Now()
	take(t, m, service)
	waitFor(t, "more than fit into the first burst", func() bool { return m.Counts().Tickled > 2*recallBurst })
	sent := m.Counts().Tickled // before the clock is read
	if allowed := recallBurst + uint64(time.Since(begun).Seconds()*recallsPerSecond) + 1; sent > allowed {
		t.Errorf("sent %d, want %d at most", sent, allowed)
	}
	drop(t, m, service)
	sent = m.Counts().Tickled
	if sent >= uint64(len(many)) {
		t.Fatalf("%d are sent already, so this test shows nothing", sent)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if now := m.Counts().Tickled; now != sent {
		t.Errorf("%d more were sent after the address was dropped", now-sent)
	}
}
