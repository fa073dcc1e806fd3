package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestKernelConnectionsAreListed: of several addresses at once, of listeners on one address and on all, and no others.
func TestKernelConnectionsAreListed(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	third := Address{Prefix: netip.MustParsePrefix("10.0.0.51/32"), Link: hostLink}
	all := []netip.Addr{service.Prefix.Addr(), service6.Prefix.Addr(), netip.MustParseAddr("10.0.0.52"), third.Prefix.Addr()}
	w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
	want := map[Client]netip.Addr{}
	for _, a := range []Address{service, service6, third} {
		take(t, m, a)
		w.serve(t, "tcp", netip.AddrPortFrom(a.Prefix.Addr(), boundPort).String())
		for _, port := range []int{wildPort, boundPort} {
			want[clientOf(w.dial(t, a.Prefix.Addr(), port))] = a.Prefix.Addr()
		}
	}
	w.dial(t, hostIP4.Addr(), wildPort)             // the host's own address
	w.halfOpen(t, service.Prefix.Addr(), boundPort) // not established
	for n := range len(all) + 1 {
		got := map[Client]netip.Addr{}
		err := m.EachConnection(all[:n], func(local, peer netip.AddrPort) { got[Client{Peer: peer, Port: local.Port()}] = local.Addr() })
		if err != nil {
			t.Fatal(err)
		}
		for c, ip := range want {
			if asked := slices.Contains(all[:n], ip); (got[c] == ip) != asked {
				t.Errorf("of %v: %v of %s listed as of %v", all[:n], c, ip, got[c])
			}
		}
		for c := range got {
			if !want[c].IsValid() {
				t.Errorf("of %v: %v is listed", all[:n], c)
			}
		}
	}
}

// TestKernelNextHops: a neighbour is reached by its own MAC, who is beyond a router by the router's, and others not.
func TestKernelNextHops(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	router4, router6 := netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("fe80::254")
	mac4, mac6 := MAC{2, 0, 0, 0, 0, 4}, MAC{2, 0, 0, 0, 0, 6}
	w.host.in(t, func() error {
		link, err := netlink.LinkByName(hostLink)
		if err != nil {
			return err
		}
		for ip, mac := range map[netip.Addr]MAC{router4: mac4, router6: mac6} {
			n := &netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac[:]}
			if err := netlink.NeighSet(n); err != nil {
				return err
			}
		}
		for to, by := range map[string]netip.Addr{"10.8.0.0/16": router4, "fd08::/64": router6} {
			_, network, err := net.ParseCIDR(to)
			if err != nil {
				return err
			}
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: network, Gw: by.AsSlice()}); err != nil {
				return err
			}
		}
		return nil
	})
	take(t, m, service)
	w.serve(t, "tcp", ":"+strconv.Itoa(wildPort))
	w.dial(t, service.Prefix.Addr(), wildPort)
	w.dial(t, hostIP6.Addr(), wildPort)
	want := map[netip.Addr]MAC{
		peerIP4.Addr(): MAC(w.peerMAC(t)), peerIP6.Addr(): MAC(w.peerMAC(t)),
		netip.MustParseAddr("10.8.1.1"): mac4, netip.MustParseAddr("fd08::1"): mac6,
	}
	var asked []netip.Addr
	for ip := range want {
		asked = append(asked, ip)
	}
	asked = append(asked, netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("10.0.0.77"), netip.MustParseAddr("fd09::1"))
	got, err := m.NextHops(hostLink, asked)
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range asked {
		if got[ip] != want[ip] {
			t.Errorf("%s is reached by %x, want %x", ip, got[ip], want[ip])
		}
	}
	if _, err := m.NextHops("none0", asked); !errors.Is(err, ErrNoLink) {
		t.Errorf("a link that is none: %v", err)
	}
}

// TestKernelConnectionsTellWhoSpokeLast, by a socket of the address's own family and by one of IPv6.
func TestKernelConnectionsTellWhoSpokeLast(t *testing.T) {
	for _, a := range []Address{service, service6} {
		for _, port := range []int{boundPort, wildPort} {
			t.Run(fmt.Sprintf("%s:%d", a.Prefix.Addr(), port), func(t *testing.T) {
				t.Parallel()
				w := newRealWorld(t)
				ip, m := a.Prefix.Addr(), w.open(t)
				take(t, m, a)
				at := ":" + strconv.Itoa(wildPort)
				if port == boundPort {
					at = netip.AddrPortFrom(ip, boundPort).String()
				}
				w.serve(t, "tcp", at)
				quiet := map[string]time.Duration{}
				look := func() {
					if err := m.kernel.connections([]netip.Addr{ip}, func(c connection) { quiet[c.peer.String()] = c.quiet }); err != nil {
						t.Fatal(err)
					}
				}
				client := func() (spoke func(), name string) {
					c := w.dial(t, ip, port)
					return func() {
						if err := echo(c); err != nil {
							t.Fatal(err)
						}
					}, c.LocalAddr().String()
				}
				_, first := client()
				speak, second := client()
				const pause = 20 * time.Millisecond
				for range 2 {
					waitFor(t, "the first client to have been quiet for a while", func() bool { look(); return quiet[first] > pause })
					before := quiet[first]
					speak()
					look()
					if quiet[first] < before || quiet[second] > quiet[first]-pause/2 {
						t.Errorf("who spoke first did so %v ago, %v ago before who spoke last, for whom it is %v", quiet[first], before, quiet[second])
					}
				}
			})
		}
	}
}
