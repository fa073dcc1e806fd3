package vip

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A guest is a container behind the host, which forwards its packets.
type guest struct{ *namespace }

const guestLink = "guest0"

func newGuest(t *testing.T, w *realWorld) guest {
	t.Helper()
	g := guest{newNamespace(t)}
	inside4, inside6 := netip.MustParsePrefix("10.1.0.2/24"), netip.MustParsePrefix("fd01::2/64")
	outside4, outside6 := netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("fd01::1/64")
	w.host.in(t, func() error {
		return firstError(
			netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: guestLink}, PeerName: guestLink, PeerNamespace: netlink.NsFd(g.handle)}),
			configure(guestLink, outside4, outside6),
			os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0),
			os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0),
		)
	})
	g.in(t, func() error {
		return firstError(configure(guestLink, inside4, inside6), routeAll(guestLink, outside4.Addr()), routeAll(guestLink, outside6.Addr()))
	})
	w.peer.in(t, func() error {
		return firstError(routeAll(peerLink, hostIP4.Addr()), routeAll(peerLink, hostIP6.Addr()))
	})
	return g
}

// routeAll sends everything by a router.
func routeAll(name string, router netip.Addr) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	bits := 8 * len(router.AsSlice())
	return netlink.RouteAdd(&netlink.Route{
		LinkIndex: link.Attrs().Index, Gw: router.AsSlice(), Dst: &net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)},
	})
}

// knock connects to a port of an address.
func (g guest) knock(t *testing.T, ip netip.Addr) (failure error) {
	t.Helper()
	g.in(t, func() error {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), strconv.Itoa(wildPort)), 3*time.Second)
		if failure = err; err == nil {
			return conn.Close()
		}
		return nil
	})
	return failure
}

// TestFenceLetsForwardedPacketsPass: a container on this host reaches the address on the host that holds it, and what
// this host itself would answer meets the fence whichever way it came.
func TestFenceLetsForwardedPacketsPass(t *testing.T) {
	t.Parallel()
	for _, a := range []Address{service, service6} {
		t.Run(a.Prefix.String(), func(t *testing.T) {
			t.Parallel()
			w := newFencedWorld(t)
			ip := a.Prefix.Addr()
			g := newGuest(t, w)
			w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
			m := w.open(t)
			dropAtEnd(t, m, a)
			lease, end := until(time.Now().Add(time.Hour))
			if err := m.Take(a, lease); err != nil {
				t.Fatal(err)
			}
			if err := g.knock(t, ip); err != nil {
				t.Fatalf("while it is here: %v", err)
			}
			end(time.Now())
			if _, err := m.Prolong(a); !errors.Is(err, ErrTooLate) {
				t.Fatal(err)
			}
			w.addForeign(t, a.Prefix) // as it stays on the link of an agent that is frozen
			waitFor(t, "refusal by the fence", func() bool { return errors.Is(g.knock(t, ip), unix.ECONNREFUSED) })
			w.removeForeign(t, a.Prefix)

			var elsewhere net.Listener
			w.peer.in(t, func() (err error) {
				if err := configure(peerLink, netip.PrefixFrom(ip, ip.BitLen())); err != nil {
					return err
				}
				elsewhere, err = net.Listen("tcp", ":"+strconv.Itoa(wildPort))
				return err
			})
			defer elsewhere.Close()
			waitFor(t, "an answer by the holder", func() bool { return g.knock(t, ip) == nil })
		})
	}
}
