package vip

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestTakeReturnsWhatHolds(t *testing.T) {
	cases := []struct {
		name string
		fail map[string]error
		want []error
		text string
		held bool
	}{
		{
			name: "kernel refuses the address",
			fail: map[string]error{"add": unix.EPERM},
			want: []error{unix.EPERM},
			text: "vip: add 10.0.0.50/32 to host0: operation not permitted",
		},
		{
			name: "announcement is not sent",
			fail: map[string]error{"send": unix.ENOBUFS},
			want: []error{unix.ENOBUFS, ErrNotAnnounced},
			text: "vip: announce 10.0.0.50/32 on host0: address is held but was not announced: " +
				"no buffer space available",
			held: true,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &fakeWorld{kernel: newFakeKernel()}
				m := w.open(t)
				w.kernel.fail = failing(c.fail)
				checkError(t, m.Take(service, forever), c.text, c.want...)
				if held := count(w.there(t), service.Prefix) == 1; held != c.held {
					t.Errorf("address there: %v, want %v", held, c.held)
				}
				w.kernel.fail = nil
				if c.held {
					hear2(t, w) // by the schedule
				}
			})
		})
	}
}

func TestLateTakeThatCannotRemoveSaysBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{kernel: newFakeKernel()}
		m := w.open(t)
		w.kernel.fail = failing(map[string]error{"remove": unix.EPERM})
		checkError(t, m.Take(service, asked(1)), "vip: add 10.0.0.50/32 to host0: lease is over\n"+
			"vip: remove 10.0.0.50/32 from host0: operation not permitted", ErrTooLate, unix.EPERM)
	})
}

func TestFailedProlongKeepsTheHolding(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, _ *fakeWorld, m *Manager) {
		k.fail = failing(map[string]error{"add": unix.ENOMEM})
		var err error
		waitFor(t, "a refresh to fail", func() bool { _, err = m.Prolong(service); return err != nil })
		checkError(t, err, "vip: prolong 10.0.0.50/32 on host0: cannot allocate memory", unix.ENOMEM)
		k.fail = nil
		if got, err := m.Prolong(service); got != ProlongedRefreshed || err != nil {
			t.Errorf("Prolong: %v, %v", got, err)
		}
	})
}

func TestProlongReachesTheKernelOnceASecond(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, _ *fakeWorld, m *Manager) {
		calls, refreshed := 0, 0
		for refreshed < 5 {
			waitFor(t, "a refresh", func() bool {
				calls++
				got, err := m.Prolong(service)
				if err != nil {
					t.Fatal(err)
				}
				return got == ProlongedRefreshed
			})
			refreshed++
		}
		if most := int(m.Counts().Refreshed) - 1; calls < 100*most || most != refreshed {
			t.Errorf("%d of %d calls reached the kernel, said %d", most, calls, refreshed)
		}
	})
}

// A kernel before Linux 5.18 forgets the protocol, and IPv6 addresses have no label. They are known by all else.
func TestOlderKernelsKeepOnlyTheLabel(t *testing.T) {
	service6 := Address{Prefix: netip.MustParsePrefix("fd00::50/128"), Link: hostLink}
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{kernel: newFakeKernel()}
		w.kernel.old = true
		m := w.open(t)
		for _, a := range []Address{service, service6} {
			take(t, m, a)
		}
		for _, a := range []Address{service, service6} {
			take(t, m, a)
		}
		prolongUntil(t, m, ProlongedRefreshed)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		next := w.open(t)
		list, err := next.Leftovers()
		if !slices.Equal(list, []Address{service, service6}) || err != nil {
			t.Errorf("Leftovers: %v, %v; want both", list, err)
		}
		for _, a := range list {
			take(t, next, a)
		}
	})
}

func TestAnnouncementFollowsTheHardwareAddress(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, _ *Manager) {
		k.mu.Lock()
		moved := net.HardwareAddr{2, 0, 0, 0, 0, 9}
		k.list[1].MAC = moved
		k.mu.Unlock()
		var list []heard
		waitFor(t, "the next burst", func() bool { list = w.heardOf(service.Prefix.Addr()); return len(list) > 2 })
		if list[2].from.String() != moved.String() {
			t.Errorf("announced %s, want %s", list[2].from, moved)
		}
	})
}

func TestBadAddresses(t *testing.T) {
	m := newManager(newFakeKernel())
	defer func() { _ = m.Close() }()
	cases := []struct {
		address Address
		text    string
	}{
		{Address{Link: "eth0"}, "vip: add invalid Prefix to eth0: bad address: no prefix given"},
		{
			Address{Prefix: netip.MustParsePrefix("10.0.0.50/32")},
			"vip: add 10.0.0.50/32 to : bad address: no link given",
		},
		{
			Address{Prefix: netip.MustParsePrefix("0.0.0.0/32"), Link: "eth0"},
			"vip: add 0.0.0.0/32 to eth0: bad address: not a unicast address of a link",
		},
		{
			Address{Prefix: netip.MustParsePrefix("224.0.0.18/32"), Link: "eth0"},
			"vip: add 224.0.0.18/32 to eth0: bad address: not a unicast address of a link",
		},
		{
			Address{Prefix: netip.MustParsePrefix("127.0.0.1/8"), Link: "eth0"},
			"vip: add 127.0.0.1/8 to eth0: bad address: not a unicast address of a link",
		},
		{
			Address{Prefix: netip.MustParsePrefix("::1/128"), Link: "eth0"},
			"vip: add ::1/128 to eth0: bad address: not a unicast address of a link",
		},
		{
			Address{Prefix: netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.50"), 128), Link: "eth0"},
			"vip: add ::ffff:10.0.0.50/128 to eth0: bad address: IPv4 written as IPv6",
		},
	}
	for _, c := range cases {
		checkError(t, m.Take(c.address, forever), c.text, ErrAddress)
	}
}

func TestLabelsFitTheKernel(t *testing.T) {
	cases := []struct{ link, prefix, want string }{
		{"eth0", "10.0.0.50/32", "eth0:mv"},
		{"twelve-chars", "10.0.0.50/32", "twelve-chars:mv"},
		{"thirteen-char", "10.0.0.50/32", ""},
		{"eth0", "fd00::50/128", ""},
	}
	for _, c := range cases {
		a := Address{Prefix: netip.MustParsePrefix(c.prefix), Link: c.link}
		if got := a.label(); got != c.want || len(got) > 15 {
			t.Errorf("label of %s: %q, want %q", a, got, c.want)
		}
	}
}

// A call that waits for the kernel, which changes one address of the host at a time, keeps nobody from renewing the fence.
func TestRenewBesideAStuckProlong(t *testing.T) {
	onFake(t, func(t *testing.T, k *fakeKernel, _ *fakeWorld, m *Manager) {
		f := &openings{fence: m.fence}
		m.fence = f
		stuck, thaw := make(chan struct{}), make(chan struct{})
		var once sync.Once
		k.fail = func(operation string) error {
			if strings.HasPrefix(operation, "add") {
				k.mu.Unlock() // as the kernel lets others in meanwhile
				defer k.mu.Lock()
				once.Do(func() { close(stuck); <-thaw })
			}
			return nil
		}
		prolonged := make(chan error, 1)
		go func() { _, err := m.Restore(service); prolonged <- err }() // it reaches the kernel every time
		<-stuck
		f.opened.Store(0)
		for range 3 {
			if err := m.Renew(service); err != nil {
				t.Fatal(err)
			}
		}
		if n := f.opened.Load(); n != 3 {
			t.Errorf("the fence was opened %d times, want 3", n)
		}
		close(thaw)
		if err := <-prolonged; err != nil {
			t.Error(err)
		}

		if _, err := m.Drop(service); err != nil {
			t.Fatal(err)
		}
		f.opened.Store(0)
		checkError(t, m.Renew(service), "vip: prolong 10.0.0.50/32 on host0: address is not held", ErrNotHeld)
		if n := f.opened.Load(); n != 0 {
			t.Errorf("the fence was opened %d times for an address that was dropped", n)
		}
	})
}

// openings counts how often a fence is opened.
type openings struct {
	fence
	opened atomic.Int64
}

func (o *openings) open(ip netip.Addr, lease Lease) error {
	o.opened.Add(1)
	return o.fence.open(ip, lease)
}

// The kernel may have a take wait for longer than the lease it was begun with. What was opened for that has closed by then.
func TestATakeThatWaitsIsOpenedAnew(t *testing.T) {
	for _, c := range []struct {
		name  string
		waits time.Duration
		want  int64
	}{{"at once", 0, 1}, {"after a second", time.Second, 2}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &fakeWorld{kernel: newFakeKernel()}
				m := w.open(t)
				f := &openings{fence: m.fence}
				m.fence = f
				w.kernel.delay("add", c.waits)
				take(t, m, service)
				if n := f.opened.Load(); n != c.want {
					t.Errorf("the fence was opened %d times, want %d", n, c.want)
				}
			})
		})
	}
}

// A link that is waited for may come when the lease is over, and with it another holder.
func TestAnAnnouncementThatWaitsIsWithheld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{kernel: newFakeKernel()}
		m := w.open(t)
		begun := time.Now()
		if err := m.Take(service, func() time.Duration { return 1500*time.Millisecond - time.Since(begun) }); err != nil {
			t.Fatal(err)
		}
		sent := len(w.heardOf(service.Prefix.Addr()))
		w.kernel.delay("get link", 2*time.Second)
		waitFor(t, "an announcement to be withheld", func() bool { return m.Counts().Withheld > 0 })
		if _, err := m.Prolong(service); !errors.Is(err, ErrTooLate) {
			t.Errorf("Prolong: %v, want ErrTooLate", err)
		}
		if n := len(w.heardOf(service.Prefix.Addr())); n != sent {
			t.Errorf("%d frames after the lease was over", n-sent)
		}
	})
	onFake(t, func(t *testing.T, k *fakeKernel, w *fakeWorld, m *Manager) {
		if _, err := m.Drop(service); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := m.Take(service, func() time.Duration { return 500*time.Millisecond - time.Since(begun) }); err != nil {
			t.Fatal(err)
		}
		sent := len(w.heardOf(service.Prefix.Addr()))
		k.delay("get link", 600*time.Millisecond)
		if err := m.AnnounceOnce(service); !errors.Is(err, ErrTooLate) {
			t.Errorf("AnnounceOnce: %v, want ErrTooLate", err)
		}
		if n := len(w.heardOf(service.Prefix.Addr())); n != sent {
			t.Errorf("%d frames after the lease was over", n-sent)
		}
	})
}

// delay has an operation take a while, in which others come in.
func (k *fakeKernel) delay(operation string, d time.Duration) {
	k.fail = func(asked string) error {
		if strings.HasPrefix(asked, operation) {
			k.mu.Unlock()
			defer k.mu.Lock()
			<-time.After(d) // of the test's clock
		}
		return nil
	}
}
