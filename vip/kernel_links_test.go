package vip

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

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
	m := w.open(t)
	if _, err := m.Prolong(service); !errors.Is(err, ErrNotHeld) { // who removed what it has never heard of, it does not keep
		t.Errorf("Prolong: %v, want ErrNotHeld", err)
	}
	told := watch(t, m)
	awaitLink(t, told, func(l Link) bool { return slices.Contains(l.Prefixes, service.Prefix) })
	awaitLink(t, told, func(l Link) bool {
		return !slices.Contains(l.Prefixes, service.Prefix) && !slices.Contains(l.Prefixes, service6.Prefix)
	})
	if by := m.RemovedBy(service); by != "the kernel" {
		t.Errorf("removed by %q, want the kernel", by)
	}
	if by := m.RemovedBy(service6); by != "" {
		t.Errorf("%s is not known here, but removed by %q", service6, by)
	}
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

// An address that others remove before its coming was told is told to be gone all the same.
func TestKernelTellsOfARemovalRightAfterATake(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	told := watch(t, m)
	host := func(l Link) bool { return l.Name == service.Link && !slices.Contains(l.Prefixes, service.Prefix) }
	awaitLink(t, told, host) // before
	take(t, m, service)
	w.removeForeign(t, service.Prefix)
	awaitLink(t, told, host)
}

func TestKernelLinkGoneIsToldAndDropped(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	told := watch(t, m)
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

// A link that has another name is gone for who goes by the old one, and the address on it is found all the same.
func TestKernelRenamedLinkIsToldAsGone(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	told := watch(t, m)
	awaitLink(t, told, func(l Link) bool { return l.Up })
	take(t, m, service)
	rename := func(from, to string) {
		w.host.in(t, func() error {
			link, err := netlink.LinkByName(from)
			if err != nil {
				return err
			}
			return firstError(netlink.LinkSetDown(link), netlink.LinkSetName(link, to), netlink.LinkSetUp(link))
		})
	}
	rename(hostLink, "other0")
	awaitLink(t, told, func(l Link) bool { return !l.Up && len(l.Prefixes) == 0 })
	drop(t, m, service) // where it is by now
	rename("other0", hostLink)
	awaitLink(t, told, func(l Link) bool { return l.Up && !slices.Contains(l.Prefixes, service.Prefix) })
	absent(t, w, service.Prefix)
}

// The carrier goes when the other end goes down, while the link stays up for its administrator.
func TestKernelLostCarrierIsTold(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	told := watch(t, w.open(t))
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
			m, err := Open(Options{Fence: FenceOff})
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

// Strangers are VIPs that are on a link without our tag; ours, and other addresses of the host, are none.
func TestStrangers(t *testing.T) {
	ns := newNamespace(t)
	ours, theirs := netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("192.0.2.11/24")
	ns.in(t, func() error {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: hostLink}, PeerName: peerLink}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		for prefix, label := range map[netip.Prefix]string{ours: hostLink + tagSuffix, theirs: ""} {
			address := &netlink.Addr{IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 32)}, Label: label}
			if err := netlink.AddrAdd(pair, address); err != nil {
				return err
			}
		}
		for _, c := range []struct {
			ask  []netip.Addr
			want []Address
		}{
			{[]netip.Addr{ours.Addr(), theirs.Addr()}, []Address{{Prefix: theirs, Link: hostLink}}},
			{[]netip.Addr{ours.Addr()}, nil},
			{nil, nil},
		} {
			got, err := Strangers(c.ask)
			if err != nil {
				return err
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("of %v: got %v, want %v", c.ask, got, c.want)
			}
		}
		return nil
	})
}
