package flush

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"memvip/flush/fake"
	"memvip/flush/memcached"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDrainedWaitsForTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{})
		s := mustOpen(t, c)
		start := time.Now()
		closed := time.AfterFunc(500*time.Millisecond, server.AddDestroyed(netip.AddrPortFrom(testVIPs[0], 11211)))
		defer closed.Stop()
		if err := s.drained(t.Context(), testVIPs, time.Second); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited < 500*time.Millisecond || waited > 500*time.Millisecond+drainPoll {
			t.Errorf("returned after %v", waited)
		}
	})
}

func mustOpen(t *testing.T, c client) *session {
	t.Helper()
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func TestDrainedLooksAtTheRightConnections(t *testing.T) {
	for _, test := range []struct {
		name  string
		local netip.AddrPort
		vips  []netip.Addr
		left  bool
	}{
		{"on the address", netip.MustParseAddrPort("10.0.0.101:11211"), testVIPs, true},
		{"on another", netip.MustParseAddrPort("10.0.0.102:11211"), testVIPs, false},
		{"on either of two", netip.MustParseAddrPort("[2001:db8::1]:11211"), append([]netip.Addr{netip.MustParseAddr("2001:db8::1")}, testVIPs...), true},
		{"the server cannot tell", netip.AddrPort{}, testVIPs, true},
		{"no addresses", netip.MustParseAddrPort("10.0.0.101:11211"), nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, c := inMemory(t, fake.Options{})
				server.AddDestroyed(test.local)
				start := time.Now()
				err := mustOpen(t, c).drained(t.Context(), test.vips, time.Second)
				if !test.left {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantReason(t, err, ReasonConnectionsLeft)
				if waited := time.Since(start); waited != time.Second {
					t.Errorf("gave up after %v", waited)
				}
			})
		})
	}
}

func TestDrainedWaitsForTheListenersQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := inMemory(t, fake.Options{})
		looks := 0
		c.queued = func([]memcached.Client) (int, error) {
			looks++
			return max(0, 3-looks), nil
		}
		s := mustOpen(t, c)
		if err := s.drained(t.Context(), testVIPs, time.Second); err != nil {
			t.Fatal(err)
		}
		if looks != 3 {
			t.Errorf("looked %d times", looks)
		}
		s.queued = func([]memcached.Client) (int, error) { return 2, nil }
		err := s.drained(t.Context(), testVIPs, 0)
		wantReason(t, err, ReasonConnectionsLeft)
		if want := "2 connections wait to be accepted"; !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		looks = 0
		s.queued = func([]memcached.Client) (int, error) {
			if looks++; looks < 3 {
				return 0, fmt.Errorf("tcp x: %w", errUnseen)
			}
			return 0, nil
		}
		if err := s.drained(t.Context(), testVIPs, time.Second); err != nil {
			t.Errorf("a listener that was none: %v", err)
		}
		s.queued = func([]memcached.Client) (int, error) { return 0, fmt.Errorf("tcp x: %w", errUnseen) }
		wantReason(t, s.drained(t.Context(), testVIPs, time.Second), ReasonUnseen)
	})
}

func TestDrainedPassesEveryWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{Threads: 3})
		if err := mustOpen(t, c).drained(t.Context(), testVIPs, 0); err != nil {
			t.Fatal(err)
		}
		if n := server.Count("mn"); n != 3*roundsMin {
			t.Errorf("asked %d times, want %d per worker", n, roundsMin)
		}
	})
}

// While connections are left anyway, the workers are not asked as well.
func TestDrainedAsksTheWorkersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{Threads: 3})
		closed := time.AfterFunc(time.Second, server.AddDestroyed(netip.AddrPortFrom(testVIPs[0], 11211)))
		defer closed.Stop()
		if err := mustOpen(t, c).drained(t.Context(), testVIPs, 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if n := server.Count("mn"); n != 3*roundsMin {
			t.Errorf("asked %d times, want %d per worker", n, roundsMin)
		}
	})
}

// A stuck worker counts none of its connections. If others' take its turns, as often as they do, everything counted is
// ours, and answered.
func TestDrainedWhereOthersMeetTheStuckWorker(t *testing.T) {
	const workers, stuck = 4, 3
	for _, coincidences := range []int{0, 1, 2, 5, 9} {
		t.Run(fmt.Sprint(coincidences), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := inMemory(t, fake.Options{Threads: workers})
				s := mustOpen(t, c)
				answers, turn, theirs := c.dial, 0, 0
				s.dial = func(ctx context.Context, addr netip.AddrPort) (*memcached.Conn, error) {
					if turn%workers == stuck && theirs < coincidences {
						turn, theirs = turn+1, theirs+1
					}
					turn++
					if (turn-1)%workers != stuck {
						return answers(ctx, addr)
					}
					ours, _ := net.Pipe() // accepted, and nobody takes it up
					return memcached.New(ours, "stuck"), nil
				}
				wantReason(t, s.drained(t.Context(), testVIPs, 0), ReasonTimeout)
				if theirs != coincidences {
					t.Errorf("others met the stuck worker %d times, want %d", theirs, coincidences)
				}
			})
		})
	}
}

// Where others connect all the time, more connections are needed, and in the end the answer is no.
func TestDrainedAmongOthersConnections(t *testing.T) {
	for others, want := range map[int]Reason{0: 0, 1: ReasonConnectionsLeft} {
		synctest.Test(t, func(t *testing.T) {
			var server *fake.Server
			server, c := inMemory(t, fake.Options{Threads: 2, OnCommand: func(command string) {
				if command != "mn" {
					return
				}
				for range others {
					other := memcached.New(server.Dial(testAddr), "other")
					if _, err := other.Stats(t.Context(), ""); err != nil {
						t.Error(err)
					}
					_ = other.Close()
				}
			}})
			err := mustOpen(t, c).drained(t.Context(), testVIPs, 0)
			if want != 0 {
				wantReason(t, err, want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// The arithmetic of coversEveryWorker, against dealing out every order of ours and others' there is.
func TestCoversEveryWorker(t *testing.T) {
	const totalMax = 11
	for workers := 1; workers <= 4; workers++ {
		for total := range totalMax {
			for order := range 1 << total {
				opened := 0
				met := map[int]bool{}
				for i := range total {
					if order>>i&1 == 1 {
						opened++
						met[i%workers] = true
					}
				}
				if coversEveryWorker(workers, opened, uint64(total)) && len(met) != workers {
					t.Fatalf("%d workers, order %b of %d: met only %d", workers, order, total, len(met))
				}
				if uncounted := total - opened; uncounted == 1 && coversEveryWorker(workers, opened, uint64(opened)) && len(met) != workers {
					t.Fatalf("%d workers, order %b of %d, one not counted: met only %d", workers, order, total, len(met))
				}
			}
		}
		if !coversEveryWorker(workers, 2*workers, uint64(2*workers)) {
			t.Errorf("%d workers: two rounds of our own do not cover them", workers)
		}
	}
	if coversEveryWorker(4, 8, 7) || coversEveryWorker(0, 8, 8) {
		t.Error("figures that contradict each other prove nothing")
	}
}

// tableOf renders rows as the kernel of this machine's byte order would.
func tableOf(rows ...string) string {
	return "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" + strings.Join(rows, "\n") + "\n"
}

func kernelHex(addr string) string {
	parsed := netip.MustParseAddr(addr).AsSlice()
	var b strings.Builder
	for i := 0; i < len(parsed); i += 4 {
		fmt.Fprintf(&b, "%08X", binary.NativeEndian.Uint32(parsed[i:]))
	}
	return b.String()
}

func TestParseSocketTable(t *testing.T) {
	row := func(addr, port, state, queue string) string {
		return fmt.Sprintf("   0: %s:%s 00000000:0000 %s 00000000:%s 00:00000000 00000000     0        0 1159 1", kernelHex(addr), port, state, queue)
	}
	for _, test := range []struct {
		name, table string
		tcp         bool
		want        map[netip.AddrPort]int
		wantErr     string
	}{
		{"listeners", tableOf(row("127.0.0.1", "2BCB", "0A", "00000000"), row("0.0.0.0", "0016", "0A", "00000002")), true,
			map[netip.AddrPort]int{netip.MustParseAddrPort("127.0.0.1:11211"): 0, netip.MustParseAddrPort("0.0.0.0:22"): 2}, ""},
		{"IPv6", tableOf(row("2001:db8::1:2", "2BCB", "0A", "0000000F")), true,
			map[netip.AddrPort]int{netip.MustParseAddrPort("[2001:db8::1:2]:11211"): 15}, ""},
		{"one address twice", tableOf(row("10.0.0.1", "2BCB", "0A", "00000001"), row("10.0.0.1", "2BCB", "0A", "00000001")), true,
			map[netip.AddrPort]int{netip.MustParseAddrPort("10.0.0.1:11211"): 2}, ""},
		{"ends with the listeners", tableOf(row("10.0.0.1", "2BCB", "0A", "00000001"), row("10.0.0.1", "2BCB", "01", "00000005")) + "what follows is not read", true,
			map[netip.AddrPort]int{netip.MustParseAddrPort("10.0.0.1:11211"): 1}, ""},
		{"datagrams", tableOf(row("10.0.0.1", "2BCB", "07", "00000300")), false,
			map[netip.AddrPort]int{netip.MustParseAddrPort("10.0.0.1:11211"): 768}, ""},
		{"none", tableOf()[:len(tableOf())-1], true, map[netip.AddrPort]int{}, ""},
		{"blank row", tableOf(""), true, nil, "want 5 columns"},
		{"bad address", tableOf("0: 0100:2BCB 0:0 0A 0:0"), true, nil, "want an address"},
		{"bad port", tableOf("0: 0100007F:X 0:0 0A 0:0"), true, nil, "want an address"},
		{"bad queue", tableOf("0: 0100007F:2BCB 0:0 0A 0"), true, nil, "want a queue length"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseSocketTable(strings.NewReader(test.table), test.tcp)
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Errorf("got %v, want %q", err, test.wantErr)
				}
				return
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" || err != nil {
				t.Errorf("error %v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func FuzzSocketTable(f *testing.F) {
	f.Add(tableOf("   0: 0100007F:2BCB 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 1159 1"), true)
	f.Add(tableOf("  10: 00000000000000000000000001000000:2BCB 00:0000 07 00000000:00000000 0"), false)
	f.Add("", true)
	f.Fuzz(func(t *testing.T, table string, tcp bool) {
		got, err := parseSocketTable(strings.NewReader(table), tcp)
		if err != nil && got != nil {
			t.Errorf("got %v and error %v", got, err)
		}
	})
}
