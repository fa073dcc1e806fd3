package vip

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestKernelNeighboursBelieveTheDirected: what is sent to one neighbour alone changes what it believes.
func TestKernelNeighboursBelieveTheDirected(t *testing.T) {
	t.Parallel()
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t)
			w.believe(t, a.Prefix.Addr(), net.HardwareAddr{2, 9, 9, 9, 9, 9})
			frames, err := announcement(w.hostMAC(t), a.Prefix.Addr())
			if err != nil {
				t.Fatal(err)
			}
			w.host.in(t, func() error {
				link, err := net.InterfaceByName(hostLink)
				if err != nil {
					return err
				}
				sender, err := openFrameSender()
				if err != nil {
					return err
				}
				for _, frame := range directed(frames, MAC(w.peerMAC(t))) {
					if err := sender.send(link.Index, frame); err != nil {
						return err
					}
				}
				return sender.close()
			})
			w.awaitBelief(t, a.Prefix.Addr(), w.hostMAC(t))
		})
	}
}

// TestKernelLateDataIsAnsweredByReset: a client that sends to the former holder, which it still has in its neighbour
// table, is reset by its first packet, and not when it sends that again.
func TestKernelLateDataIsAnsweredByReset(t *testing.T) {
	t.Parallel()
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			m := w.open(t)
			take(t, m, a)
			w.believe(t, a.Prefix.Addr(), w.hostMAC(t))
			conn := w.dial(t, a.Prefix.Addr(), wildPort)
			w.dies(t, m, a, conn)
			before := tcpInfo(t, conn).Total_retrans // of its first packet, if the link was not ready
			if err := echo(conn); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("client saw %v, want a reset", err)
			}
			if n := tcpInfo(t, conn).Total_retrans - before; n != 0 {
				t.Errorf("the client sent %d times again before it was reset", n)
			}
		})
	}
}

// believe sets what the peer takes an address's MAC to be.
func (w *realWorld) believe(t *testing.T, ip netip.Addr, mac net.HardwareAddr) {
	t.Helper()
	w.peer.in(t, func() error {
		link, err := netlink.LinkByName(peerLink)
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_REACHABLE, IP: ip.AsSlice(), HardwareAddr: mac,
		})
	})
}

// awaitBelief waits until the peer takes an address's MAC to be this.
func (w *realWorld) awaitBelief(t *testing.T, ip netip.Addr, mac net.HardwareAddr) {
	t.Helper()
	w.peer.in(t, func() error {
		return await("the peer to believe it", func() (bool, error) {
			entries, err := netlink.NeighList(0, netlink.FAMILY_ALL)
			return slices.ContainsFunc(entries, func(n netlink.Neigh) bool {
				at, _ := netip.AddrFromSlice(n.IP)
				return at.Unmap() == ip && n.HardwareAddr.String() == mac.String()
			}), err
		})
	})
}
