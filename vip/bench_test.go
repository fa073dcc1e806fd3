package vip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkTake measures from the wish to the moment when both announcements are on the wire.
func BenchmarkTake(b *testing.B) {
	for _, a := range []Address{service, service6} {
		b.Run("address="+a.Prefix.String(), func(b *testing.B) {
			m := newRealWorld(b).open(b)
			for b.Loop() {
				take(b, m, a)
				b.StopTimer()
				drop(b, m, a)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkDrop measures until the address is off the link and none of its connections is left.
func BenchmarkDrop(b *testing.B) {
	for _, connections := range []int{0, 10, 500} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			w := newRealWorld(b)
			m := w.open(b)
			for b.Loop() {
				b.StopTimer()
				take(b, m, service)
				var ends []func() error
				for range connections {
					ends = append(ends, w.connect(b, service.Prefix.Addr(), boundPort))
				}
				b.StartTimer()
				drop(b, m, service)
				b.StopTimer()
				for _, ended := range ends {
					if err := ended(); !errors.Is(err, unix.ECONNRESET) {
						b.Fatal(err)
					}
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkDropSeen measures until the next holder may have the address, where a fence is in the way of connections that are left.
func BenchmarkDropSeen(b *testing.B) {
	for _, connections := range []int{0, resetMax, 1000} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			w := newFencedWorld(b)
			m, ip := w.open(b), service.Prefix.Addr()
			w.serve(b, "tcp", ":"+strconv.Itoa(wildPort))
			for b.Loop() {
				b.StopTimer()
				take(b, m, service)
				var clients []net.Conn
				for range connections {
					clients = append(clients, w.dial(b, ip, wildPort))
				}
				if err := m.EachConnection([]netip.Addr{ip}, func(_, _ netip.AddrPort) {}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				dropped, err := m.DropSeen(service)
				b.StopTimer()
				if n, left := m.Sweep(service); err != nil || left != nil || dropped.Sockets+n != connections {
					b.Fatal(dropped, err, n, left)
				}
				for _, c := range clients {
					_ = c.Close()
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkRenewal is what a renewal of the lease costs that does not reach the address: the fence's timeouts, one
// transaction, and the question whether somebody else has changed the rules. To be compared with a heartbeat, 50 ms at
// the shortest lease.
func BenchmarkRenewal(b *testing.B) {
	for _, a := range []Address{service, service6} {
		b.Run("address="+a.Prefix.String(), func(b *testing.B) {
			m := newFencedWorld(b).open(b)
			take(b, m, a)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Prolong(a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestRenewalAllocatesNothing: it comes some times a second for each address that is up. The bound leaves room for the
// refresh of the address, once a second.
func TestRenewalAllocatesNothing(t *testing.T) {
	m := newFencedWorld(t).open(t)
	for _, a := range []Address{service, service6} {
		take(t, m, a)
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := m.Prolong(a); err != nil {
				t.Error(err)
			}
		}); n > 1 {
			t.Errorf("%s: %v allocations", a, n)
		}
	}
}

// BenchmarkEachConnection measures one look at who is connected.
func BenchmarkEachConnection(b *testing.B) {
	for _, connections := range []int{0, 10, 500} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			w := newRealWorld(b)
			m := w.open(b)
			take(b, m, service)
			for range connections {
				w.connect(b, service.Prefix.Addr(), boundPort)
			}
			ips := []netip.Addr{service.Prefix.Addr(), service6.Prefix.Addr()}
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				if err := m.EachConnection(ips, func(_, _ netip.AddrPort) { n++ }); err != nil || n != connections {
					b.Fatal(n, err)
				}
			}
		})
	}
}
