package vip

import (
	"errors"
	"fmt"
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

// BenchmarkFence is what a renewal of the lease costs that does not reach the address: the fence's timeouts,
// one transaction. To be compared with a heartbeat, 50 ms at the shortest lease.
func BenchmarkFence(b *testing.B) {
	w := newFencedWorld(b)
	m := w.open(b)
	take(b, m, service)
	for b.Loop() {
		if _, err := m.Prolong(service); err != nil {
			b.Fatal(err)
		}
	}
}
