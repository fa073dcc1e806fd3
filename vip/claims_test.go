package vip

import (
	"encoding/binary"
	"flag"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mdlayher/arp"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A host that floods the link must not cost those who hear of it more than a round each roundPause.
func TestStormOfClaimsIsToldInRounds(t *testing.T) {
	const seconds, frames = 3, 30000
	storms := map[string]func(i int) net.HardwareAddr{
		"one host":   func(int) net.HardwareAddr { return stranger },
		"many hosts": func(i int) net.HardwareAddr { return net.HardwareAddr{2, 1, 0, byte(i >> 16), byte(i >> 8), byte(i)} },
	}
	for name, from := range storms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &fakeWorld{kernel: newFakeKernel()}
				m := w.open(t)
				s := sight(t, w, m, service)
				synctest.Wait()
				for i := range frames {
					w.send(t, claimOf(t, service.Prefix.Addr(), from(i)))
					<-time.After(seconds * time.Second / frames)
				}
				<-time.After(time.Second) // the last round
				times := 0
				for _, x := range s.seen() {
					times += x.Times
				}
				counts := m.Counts()
				if times != int(counts.Claims) || counts.Claims+counts.ClaimsLost != frames {
					t.Errorf("of %d claims %d were told, %d counted as told, %d as lost", frames, times, counts.Claims, counts.ClaimsLost)
				}
				perRound := 1
				if name == "many hosts" {
					perRound = pendingMax
				} else if counts.ClaimsLost > 0 {
					t.Errorf("%d claims of one host lost", counts.ClaimsLost)
				}
				if n, most := len(s.seen()), perRound*(roundsAtOnce+1+int(seconds*time.Second/roundPause)); n > most {
					t.Errorf("told %d times in %d s, want at most %d", n, seconds, most)
				}
			})
		})
	}
}

// A few claims that follow each other closely are each told at once: what they mean depends on when.
func TestClaimsAreToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{kernel: newFakeKernel()}
		s := sight(t, w, w.open(t), service)
		synctest.Wait()
		begun := time.Now()
		for i := range roundsAtOnce {
			w.send(t, claimOf(t, service.Prefix.Addr(), stranger))
			synctest.Wait()
			if n := s.times(service, stranger); n != i+1 {
				t.Fatalf("after %d claims told of %d", i+1, n)
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %s", took)
		}
	})
}

// FuzzClaims holds the kernel's filters against the reading of frames: no claim of a watched address is
// filtered out, and no other is let through.
func FuzzClaims(f *testing.F) {
	ip4, ip6 := service.Prefix.Addr(), service6.Prefix.Addr()
	watched4 := []netip.Addr{netip.MustParseAddr("10.0.0.49"), ip4}
	watched6 := []netip.Addr{netip.MustParseAddr("fd00::1:50"), ip6, netip.MustParseAddr("fd01::50")}
	for _, ip := range append(append([]netip.Addr{netip.MustParseAddr("10.0.0.51"), netip.MustParseAddr("fd00::51")}, watched4...), watched6...) {
		f.Add(claimOf(f, ip, stranger))
	}
	f.Add(arpFrame(f, arp.OperationRequest, stranger, netip.IPv4Unspecified(), ip4))
	f.Add(claimOf(f, ip6, stranger)[:70])
	vm4, err4 := bpf.NewVM(claimFilter(unix.ETH_P_ARP, watched4))
	vm6, err6 := bpf.NewVM(claimFilter(unix.ETH_P_IPV6, watched6))
	if err := firstError(err4, err6); err != nil {
		f.Fatal(err)
	}
	claimed := 0
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < ethernetHeaderBytes {
			return
		}
		vm, watched := vm4, watched4
		switch binary.BigEndian.Uint16(frame[12:]) {
		case unix.ETH_P_ARP:
		case unix.ETH_P_IPV6:
			vm, watched = vm6, watched6
		default:
			return
		}
		n, err := vm.Run(frame)
		if err != nil {
			t.Fatal(err)
		}
		c, claims := claimIn(frame)
		isWatched := false
		for _, ip := range watched {
			isWatched = isWatched || claims && c.ip == ip
		}
		if isWatched {
			claimed++
		}
		if kept := n > 0; isWatched && !kept || kept && claims && !isWatched {
			t.Errorf("claims %v (%t), kept %t", c.ip, claims, kept)
		}
	})
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" // then workers do it, each of which is another process
	f.Cleanup(func() {
		if claimed == 0 && !fuzzing {
			f.Error("no frame claimed a watched address")
		}
	})
}

// A filter for as many addresses as a cluster can have still fits the kernel.
func TestFilterOfManyAddresses(t *testing.T) {
	const vips = 256
	const bytesMax, bytesEach = 20480, 8 // net.core.optmem_max of older kernels, which count instructions of their own
	var ips4, ips6 []netip.Addr
	for i := range vips {
		ips4 = append(ips4, netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}))
		ips6 = append(ips6, netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(i)}))
	}
	for protocol, ips := range map[uint16][]netip.Addr{unix.ETH_P_ARP: ips4, unix.ETH_P_IPV6: ips6} {
		program := claimFilter(protocol, ips)
		vm, err := bpf.NewVM(program)
		own := 0 // at most: a return becomes two, a comparison with a value that has its top bit set too, a load fourteen
		for _, step := range program {
			if _, loads := step.(bpf.LoadAbsolute); loads {
				own += 14
			} else {
				own += 2
			}
		}
		if err != nil || own*bytesEach > bytesMax {
			t.Fatalf("%d instructions, %d of the kernel's: %v", len(program), own, err)
		}
		for _, ip := range ips {
			if n, err := vm.Run(claimOf(t, ip, stranger)); n == 0 || err != nil {
				t.Errorf("%s: kept %d, %v", ip, n, err)
			}
		}
	}
}
