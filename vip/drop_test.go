package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// onFake runs a test on a kernel in memory whose journal begins empty, with the address held.
func onFake(t *testing.T, f func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{kernel: newFakeKernel()}
		m := w.open(t)
		take(t, m, service)
		w.kernel.journal = nil
		f(t, w.kernel, w, m)
	})
}

// writes returns what the kernel was asked to change or show of sockets, without mere look-ups.
func (k *fakeKernel) writes() []string {
	return slices.DeleteFunc(slices.Clone(k.journal), func(operation string) bool {
		return strings.HasPrefix(operation, "get link") || strings.HasPrefix(operation, "list addresses")
	})
}

func TestDropResetsBeforeItRemoves(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		m.fence = fakeFence{k}
		w.connect(t, service.Prefix.Addr(), wildPort)
		if dropped := drop(t, m, service); !dropped.Unswept || dropped.Sockets != 1 {
			t.Errorf("dropped %+v, want 1 socket and the sweep left to do", dropped)
		}
		want := []string{
			"list sockets", // while they are served
			"shut inbound", "destroy 1", "remove 10.0.0.50/32", "guards",
			"shut both",
		}
		if got := k.writes(); !slices.Equal(got, want) {
			t.Errorf("order:\n got %q\nwant %q", got, want)
		}
	})
}

// Unless every connection is known to be destroyed, the address is not given up before another look.
func TestDropSweepsUnlessNoneCanBeLeft(t *testing.T) {
	const again = "list sockets" // for what came in between
	for _, c := range []struct {
		name  string
		fails string // the first time
		want  []string
	}{
		{"nobody knows what the fence lets through", "guards", []string{
			"list sockets", "shut inbound", "destroy 1", "remove 10.0.0.50/32", "guards", again, "shut both",
		}},
		{"they could not be listed", "list sockets", []string{
			"list sockets", "shut inbound", "remove 10.0.0.50/32", again, "destroy 1", "list sockets", "shut both",
		}},
		{"the fence could not be shut", "shut inbound", []string{
			"list sockets", "shut inbound", "destroy 1", "remove 10.0.0.50/32", again, "shut both",
		}},
		{"the fence could not be shut for good", "shut both", []string{
			"list sockets", "shut inbound", "destroy 1", "remove 10.0.0.50/32", "guards", "shut both", again,
		}},
		{"they could not be destroyed", "destroy 1", []string{
			"list sockets", "shut inbound", "destroy 1", "remove 10.0.0.50/32", again, "destroy 1", "list sockets", "shut both",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
				m.fence = fakeFence{k}
				w.connect(t, service.Prefix.Addr(), wildPort)
				failed := false
				k.fail = func(operation string) error {
					if failed || operation != c.fails {
						return nil
					}
					failed = true
					return unix.ENOMEM
				}
				dropped, err := m.Drop(service)
				if told := strings.HasPrefix(c.fails, "shut"); told != errors.Is(err, unix.ENOMEM) || !told && err != nil {
					t.Errorf("drop: %v", err)
				}
				if dropped.Unswept || dropped.Sockets != 1 {
					t.Errorf("dropped %+v, want 1 socket and no sweep left to do", dropped)
				}
				if got := k.writes(); !slices.Equal(got, c.want) {
					t.Errorf("order:\n got %q\nwant %q", got, c.want)
				}
			})
		})
	}
}

func TestSweepDestroysWhatSlippedThrough(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		m.fence, k.reconnect = fakeFence{k}, true
		w.connect(t, service.Prefix.Addr(), wildPort)
		drop(t, m, service)
		if n, err := m.Sweep(service); n != 1 || err != nil {
			t.Errorf("swept %d, %v, want 1", n, err)
		}
		take(t, m, service)
		w.connect(t, service.Prefix.Addr(), wildPort)
		if n, err := m.Sweep(service); n != 0 || err != nil {
			t.Errorf("swept %d, %v, of an address that is held again", n, err)
		}
	})
}

// No time is taken to look for connections, but those that were seen are reset.
func TestDropSeenResetsWhatWasSeen(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		m.fence = fakeFence{k}
		w.connect(t, service.Prefix.Addr(), wildPort)
		seen := w.connect(t, service.Prefix.Addr(), wildPort)
		look(t, m, nil)
		later := w.connect(t, service.Prefix.Addr(), wildPort)
		k.journal = nil
		dropped, err := m.DropSeen(service)
		if err != nil || !dropped.Unswept || dropped.Sockets != 2 {
			t.Errorf("dropped %+v, %v, want 2 sockets and the sweep left to do", dropped, err)
		}
		want := []string{"guards", "shut inbound", "destroy 2", "remove 10.0.0.50/32", "guards", "shut both"}
		if got := k.writes(); !slices.Equal(got, want) {
			t.Errorf("order:\n got %q\nwant %q", got, want)
		}
		if err := seen(); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the client that was seen saw %v, want a reset", err)
		}
		if n, err := m.Sweep(service); n != 1 || err != nil {
			t.Errorf("swept %d, %v, want 1", n, err)
		}
		if err := later(); !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("the client that came later saw %v, want no reset", err)
		}
	})
}

// However many are connected, the next holder does not wait longer for their resets than for those of a few: of those that may
// wait for an answer.
func TestDropSeenResetsThoseWhoSpokeLast(t *testing.T) {
	const crowd = busyMax + 2*resetMax
	for _, c := range []struct {
		name  string
		quiet time.Duration // of all, one millisecond more for each
		gone  int           // since the look, of those that spoke last
		want  []int         // batches
	}{
		{name: "nobody just before", quiet: busyWithin + 1, want: []int{resetMax}},
		{name: "more than that just before", quiet: busyWithin - (resetMax+1)*time.Millisecond, want: []int{resetMax, resetMax}},
		{name: "all just before", quiet: busyWithin - crowd*time.Millisecond, want: []int{resetMax, resetMax, resetMax, resetMax}},
		{name: "some are gone since", quiet: busyWithin + 1, gone: 3 * resetMax / 2, want: []int{resetMax, resetMax, resetMax}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
				m.fence = fakeFence{k}
				place := func(i int) int { return (i*7 + 5) % crowd } // of i by who spoke last; 7 and crowd have no common divisor
				for i := range crowd {
					w.connect(t, service.Prefix.Addr(), wildPort)
					k.dialed[i].quiet = c.quiet + time.Duration(place(i))*time.Millisecond
				}
				look(t, m, nil)
				for i := range crowd {
					if place(i) < c.gone {
						k.dialed[i].ended = unix.EPIPE
					}
				}
				k.journal = nil
				want, first := []string{"guards", "shut inbound"}, 0
				for _, n := range c.want {
					want, first = append(want, fmt.Sprintf("destroy %d", n)), first+n
				}
				want = append(want, "remove 10.0.0.50/32", "guards", "shut both")
				dropped, err := m.DropSeen(service)
				if err != nil || !dropped.Unswept || dropped.Sockets != first-c.gone {
					t.Errorf("dropped %+v, %v, want %d sockets and the sweep left to do", dropped, err, first-c.gone)
				}
				if got := k.writes(); !slices.Equal(got, want) {
					t.Errorf("order:\n got %q\nwant %q", got, want)
				}
				if n, err := m.Sweep(service); n != crowd-first || err != nil {
					t.Errorf("swept %d, %v, want the other %d", n, err, crowd-first)
				}
				for i := range crowd {
					if at := place(i); at >= c.gone && errors.Is(k.dialed[i].ended, unix.ECONNRESET) != (at < first) {
						t.Errorf("client %d of %d by who spoke last saw %v", at, crowd, k.dialed[i].ended)
					}
				}
			})
		})
	}
}

// look looks who is connected, and does something meanwhile unless it is nil.
func look(t *testing.T, m *Manager, meanwhile func()) {
	t.Helper()
	<-time.After(1) // later than the address was taken
	seen := 0
	err := m.EachConnection([]netip.Addr{service.Prefix.Addr()}, func(_, _ netip.AddrPort) {
		if seen++; seen == 1 && meanwhile != nil {
			meanwhile()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDropSeenLooksWhereNobodyHas(t *testing.T) {
	sought := []string{"list sockets", "shut inbound", "destroy 1", "remove 10.0.0.50/32", "guards", "shut both"}
	for _, c := range []struct {
		name   string
		before func(*testing.T, *fakeWorld, *Manager)
	}{
		{"nobody has", func(*testing.T, *fakeWorld, *Manager) {}},
		{"long ago", func(t *testing.T, _ *fakeWorld, m *Manager) {
			look(t, m, nil)
			s := m.seen[service.Prefix.Addr()]
			s.at = s.at.Add(-seenFor - 1)
			m.seen[service.Prefix.Addr()] = s
		}},
		{"before the address was taken", func(t *testing.T, _ *fakeWorld, m *Manager) {
			look(t, m, nil)
			drop(t, m, service)
			take(t, m, service)
		}},
		{"the address went and came during the look", func(t *testing.T, w *fakeWorld, m *Manager) {
			w.connect(t, service.Prefix.Addr(), wildPort)
			look(t, m, func() {
				drop(t, m, service)
				take(t, m, service)
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
				m.fence = fakeFence{k}
				c.before(t, w, m)
				w.connect(t, service.Prefix.Addr(), wildPort)
				k.journal = nil
				if dropped, err := m.DropSeen(service); err != nil || dropped.Sockets != 1 {
					t.Errorf("dropped %+v, %v, want 1 socket", dropped, err)
				}
				if got := k.writes(); !slices.Equal(got, sought) {
					t.Errorf("order:\n got %q\nwant %q", got, sought)
				}
			})
		})
	}
}

// Where nothing is known to answer those with a reset who were not seen, they are to get theirs while the address is there.
func TestDropSeenLooksWhereNoFenceGuards(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		look(t, m, nil)
		unseen := w.connect(t, service.Prefix.Addr(), wildPort)
		if dropped, err := m.DropSeen(service); err != nil || dropped.Unswept {
			t.Errorf("dropped %+v, %v, want it swept", dropped, err)
		}
		if err := unseen(); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the client saw %v, want a reset", err)
		}
	})
}

func TestExpelRemovesBeforeItDestroys(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		m.fence = fakeFence{k}
		ended := w.connect(t, service.Prefix.Addr(), wildPort)
		dropped, err := m.Expel(service)
		if err != nil || dropped.Sockets != 1 {
			t.Fatalf("expelled %+v, %v, want 1 socket", dropped, err)
		}
		want := []string{"shut both", "remove 10.0.0.50/32", "list sockets", "destroy 1", "list sockets", "shut both"}
		if got := k.writes(); !slices.Equal(got, want) {
			t.Errorf("order:\n got %q\nwant %q", got, want)
		}
		if err := ended(); !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("client saw %v, want no reset", err)
		}
		absent(t, w, service.Prefix)
		if again, err := m.Expel(service); err != nil || again.Sockets != 0 {
			t.Errorf("expelled again: %+v, %v", again, err)
		}
	})
}

func TestLateProlongRemovesBeforeItDestroys(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		ended := w.connect(t, service.Prefix.Addr(), wildPort)
		if err := m.Take(service, asked(0)); !errors.Is(err, ErrTooLate) {
			t.Fatal(err)
		}
		want := []string{"remove 10.0.0.50/32", "list sockets", "destroy 1", "list sockets"}
		if got := k.writes(); !slices.Equal(got, want) {
			t.Errorf("order:\n got %q\nwant %q", got, want)
		}
		if err := ended(); !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("client saw %v, want no reset", err)
		}
	})
}

// What kept connections from being reset is no failure once they are destroyed.
func TestDropMakesGoodWhatFailedBefore(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		w.connect(t, service.Prefix.Addr(), wildPort)
		first := true
		k.fail = func(operation string) error {
			if first && operation == "list sockets" {
				first = false
				return unix.ENOMEM
			}
			return nil
		}
		if dropped := drop(t, m, service); dropped.Sockets != 1 {
			t.Errorf("destroyed %d sockets, want 1", dropped.Sockets)
		}
	})
}

func TestDropEndsThoughClientsReconnect(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		k.reconnect = true
		w.connect(t, service.Prefix.Addr(), wildPort)
		dropped := drop(t, m, service)
		if dropped.Sockets != 2 {
			t.Errorf("destroyed %d sockets, want one with a reset and the one in its place without", dropped.Sockets)
		}
		absent(t, w, service.Prefix)
	})
}

func TestDropGoesOnPastErrors(t *testing.T) {
	cases := []struct {
		name   string
		fail   map[string]error // by the beginning of the operation
		want   []error
		text   string
		absent bool
	}{
		{
			name:   "sockets cannot be destroyed",
			fail:   map[string]error{"destroy": ErrNoSocketDestroy},
			want:   []error{ErrNoSocketDestroy},
			text:   "vip: destroy connections of 10.0.0.50/32 on host0: kernel cannot destroy TCP sockets",
			absent: true,
		},
		{
			name:   "sockets cannot be listed",
			fail:   map[string]error{"list sockets": unix.ENOMEM},
			want:   []error{unix.ENOMEM},
			text:   "vip: destroy connections of 10.0.0.50/32 on host0: cannot allocate memory",
			absent: true,
		},
		{
			name: "address cannot be removed",
			fail: map[string]error{"remove": unix.EPERM},
			want: []error{unix.EPERM},
			text: "vip: remove 10.0.0.50/32 from host0: operation not permitted",
		},
		{
			name: "nothing works",
			fail: map[string]error{"remove": unix.EPERM, "list": unix.ENOMEM},
			want: []error{unix.EPERM, unix.ENOMEM},
			text: "vip: remove 10.0.0.50/32 from host0: operation not permitted\n" +
				"vip: destroy connections of 10.0.0.50/32 on host0: cannot allocate memory",
		},
		{
			name:   "addresses cannot be listed",
			fail:   map[string]error{"list addresses": unix.ENOMEM},
			absent: true,
		},
		{
			name: "link cannot be asked for",
			fail: map[string]error{"get link": unix.ENOMEM},
			want: []error{unix.ENOMEM},
			text: "vip: drop 10.0.0.50/32 from host0: cannot allocate memory",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
				w.connect(t, service.Prefix.Addr(), wildPort)
				k.fail = failing(c.fail)
				_, err := m.Drop(service)
				checkError(t, err, c.text, c.want...)
				if gone := count(w.there(t), service.Prefix) == 0; gone != c.absent {
					t.Errorf("address gone: %v, want %v", gone, c.absent)
				}
				if _, err := m.Prolong(service); !errors.Is(err, ErrNotHeld) {
					t.Errorf("Prolong: %v, want ErrNotHeld", err)
				}
				k.fail = nil
				drop(t, m, service)
				absent(t, w, service.Prefix)
			})
		})
	}
}

func failing(errs map[string]error) func(string) error {
	return func(operation string) error {
		for beginning, err := range errs {
			if strings.HasPrefix(operation, beginning) {
				return err
			}
		}
		return nil
	}
}

func checkError(t *testing.T, err error, text string, want ...error) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != text {
		t.Errorf("error\n got %s\nwant %s", got, text)
	}
	for _, target := range want {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
}

func TestConnectionsThatCannotBeEndedAreReported(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		k.immortal = true
		w.connect(t, service.Prefix.Addr(), wildPort)
		_, err := m.Drop(service)
		checkError(t, err, "vip: destroy connections of 10.0.0.50/32 on host0: TCP sockets left", ErrSocketsLeft)
		absent(t, w, service.Prefix)
	})
}
