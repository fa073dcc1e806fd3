package vip

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Another host takes the address with nothing but its kernel, and speaks from it.
func TestKernelForeignHostIsSighted(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	s := sight(t, w, m, service, service6)
	s.readyOn(t, service, service6)
	mac := w.peerMAC(t)
	w.peer.in(t, func() error {
		// It asks first whether anybody has the second address, which nobody has, and then says so.
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+peerLink+"/ndisc_notify", []byte("1"), 0)
		link, found := netlink.LinkByName(peerLink)
		if err := firstError(err, found); err != nil {
			return err
		}
		return firstError(
			netlink.AddrAdd(link, libraryAddress(service.Prefix, 0)),
			netlink.AddrAdd(link, libraryAddress(service6.Prefix, 0)),
		)
	})
	// Whom it has not met it asks for by ARP, in the name of the address that it speaks from.
	silent := byte(200)
	waitFor(t, "the other host", func() bool {
		silent++
		w.peer.in(t, func() error {
			from := &net.UDPAddr{IP: service.Prefix.Addr().AsSlice()}
			conn, err := net.DialUDP("udp4", from, &net.UDPAddr{IP: net.IPv4(10, 0, 0, silent), Port: 9})
			if err != nil {
				return err
			}
			_, err = conn.Write([]byte{0})
			return firstError(err, conn.Close())
		})
		return s.times(service, mac) > 0 && s.times(service6, mac) > 0
	})
}

// readyOn is ready for a watch of these addresses alone.
func (s *sightings) readyOn(t *testing.T, addresses ...Address) {
	t.Helper()
	for _, a := range addresses {
		s.sendUntil(t, claimOf(t, a.Prefix.Addr(), stranger), a)
	}
}

func (w *realWorld) peerMAC(t *testing.T) (mac net.HardwareAddr) {
	t.Helper()
	w.peer.in(t, func() error {
		link, err := netlink.LinkByName(peerLink)
		if err == nil {
			mac = link.Attrs().HardwareAddr
		}
		return err
	})
	return mac
}

// What memcached's clients send must not reach us: the kernel counts what passes the filters.
func TestKernelFiltersKeepTrafficOut(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	m := w.open(t)
	take(t, m, service)
	take(t, m, service6)
	s := sight(t, w, m, service, service6)
	s.readyOn(t, service, service6)
	ears := m.kernel.(*netlinkKernel).ears
	for _, one := range ears.all {
		one.passed(t) // reading resets it
	}
	for _, ip := range []netip.Addr{service.Prefix.Addr(), service6.Prefix.Addr()} {
		w.connect(t, ip, wildPort)
		w.peer.in(t, func() error {
			conn, err := net.Dial("udp", netip.AddrPortFrom(ip, 9).String())
			if err != nil {
				return err
			}
			for range 100 {
				_, _ = conn.Write([]byte("get key")) // refused, which the next one is told
			}
			return conn.Close()
		})
	}
	for _, one := range ears.all {
		if n := one.passed(t); n != 0 {
			t.Errorf("%d frames of type %#x passed the filter", n, one.protocol)
		}
	}
	s.readyOn(t, service, service6) // it would have heard them
	for _, one := range ears.all {
		if n := one.passed(t); n == 0 {
			t.Errorf("no claim in frames of type %#x passed the filter", one.protocol)
		}
	}
}

// passed returns how many frames the kernel has queued for the socket since it was last asked.
func (e *ear) passed(t *testing.T) int {
	t.Helper()
	var n int
	err := e.raw.Control(func(fd uintptr) {
		stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil {
			t.Error(err)
			return
		}
		n = int(stats.Packets)
	})
	if err != nil {
		t.Error(err)
	}
	return n
}
