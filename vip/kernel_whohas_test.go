package vip

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestWhoHas asks from the host under test for an address that nobody has, that its peer has, and that only it has.
func TestWhoHas(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	ask := func(a Address) (macs []string) {
		w.host.in(t, func() (err error) {
			macs, err = WhoHas(t.Context(), a, []netip.Addr{a.Prefix.Addr()})
			return err
		})
		return macs
	}
	if got := ask(service); got != nil {
		t.Errorf("nobody has it, %q answered", got)
	}
	w.peer.in(t, func() error {
		link, err := netlink.LinkByName(peerLink)
		return firstError(err, netlink.AddrAdd(link, libraryAddress(service.Prefix, 0)))
	})
	want := []string{w.peerMAC(t).String()}
	if got := ask(service); !slices.Equal(got, want) {
		t.Errorf("%q answered, want %q", got, want)
	}
	own := Address{Prefix: netip.PrefixFrom(hostIP4.Addr(), 32), Link: hostLink}
	if got := ask(own); got != nil {
		t.Errorf("this host has it, %q answered", got)
	}
	w.host.in(t, func() error {
		if _, err := WhoHas(t.Context(), service6, nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("an IPv6 address: %v", err)
		}
		if _, err := WhoHas(t.Context(), Address{service.Prefix, "none0"}, nil); err == nil {
			t.Error("a link that is not there was asked on")
		}
		return nil
	})
}
