//go:build integration

package lab

import (
	"testing"
)

// A VIP moves and comes home. Whether reads are stale then depends on one thing only: whether the home still holds its
// old data. So the check can fail.
func TestMoveAndReturn(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flush bool
	}{{"home flushed", true}, {"home with old data", false}} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, Options{})
			vip, a, b := l.VIPs[0].Addr, l.Hosts[0], l.Hosts[1]
			w, err := l.StartWatcher(WatchOptions{})
			must(t, err)
			c := startClient(t, l, ClientOptions{})
			waitWrites(t, c, vip, 100)

			at := move(t, vip, a, b)
			must(t, c.WaitServed(within(t), vip, b.Name))
			out := c.Outage(vip, at, Now())
			if out.From != a.Name || out.To != b.Name || out.Gap <= 0 || out.GapOpen || out.Turns != 0 || out.Stale != 0 {
				t.Errorf("moved to an empty host: %v", out)
			}
			first, err := w.WaitAnnounced(within(t), vip, at, a.Name)
			must(t, err)
			if d := first.At.Sub(at); first.Host != b.Name || d <= 0 || d > out.Moved {
				t.Errorf("announced by %s after %v, served after %v", first.Host, d, out.Moved)
			}
			waitWrites(t, c, vip, 100)

			if tt.flush {
				s, err := a.Memcached().Open(within(t))
				must(t, err)
				got, err := s.Do("flush_all")
				must(t, err)
				if got != "OK" {
					t.Fatalf("flush_all: %q", got)
				}
				must(t, s.Close())
			}
			at = move(t, vip, b, a)
			must(t, c.WaitServed(within(t), vip, a.Name))
			waitWrites(t, c, vip, 100)
			out = c.Outage(vip, at, Now())
			if out.From != b.Name || out.To != a.Name || out.Turns != 0 {
				t.Errorf("back home: %v", out)
			}
			if (out.Stale > 0) == tt.flush {
				t.Errorf("flushed=%v, and %d stale reads: %v", tt.flush, out.Stale, c.Stale(at, Now()))
			}
			for _, s := range c.Stale(0, Now()) {
				if s.Host != a.Name || s.Alien || s.VIP != vip || s.Got >= s.Confirmed {
					t.Errorf("stale read %v, want one of %s", s, a.Name)
				}
			}
			if r := Measure(c, w, vip, at, Now()); !r.Announced || r.FirstARP <= 0 || r.FirstARP > r.Moved || r.Outage.To != a.Name {
				t.Errorf("report: %v", r)
			}
			if doubled := w.Doubled(vip, 0, Now()); doubled != 0 {
				t.Errorf("two hosts answered ARP for %v", doubled)
			}
			must(t, c.Close())
			must(t, w.Close())
		})
	}
}

// The same address on two hosts: ARP shows it at once; the client sees both when announcements pull it to and fro.
func TestTwoHostsAtOnce(t *testing.T) {
	l := newLab(t, Options{})
	vip, a, b := l.VIPs[0].Addr, l.Hosts[0], l.Hosts[1]
	w, err := l.StartWatcher(WatchOptions{})
	must(t, err)
	c := startClient(t, l, ClientOptions{})
	at := Now()
	must(t, b.TakeByHand(vip))
	must(t, poll(within(t), func() error {
		if w.Doubled(vip, at, Now()) == 0 {
			return errSeen
		}
		return nil
	}))
	if got := w.Answering(vip); len(got) != 2 || got[0] != a.Name || got[1] != b.Name {
		t.Errorf("answering: %v, want %s and %s", got, a.Name, b.Name)
	}
	must(t, b.AnnounceByHand(vip))
	must(t, c.WaitServed(within(t), vip, b.Name))
	if o := c.Outage(vip, at, Now()); o.Turns != 0 {
		t.Errorf("moved once: %v, want no turns", o)
	}
	must(t, a.AnnounceByHand(vip))
	must(t, c.WaitServed(within(t), vip, a.Name))
	if o := c.Outage(vip, at, Now()); o.Turns == 0 || o.TurnsFor <= 0 {
		t.Errorf("answered by the old host again: %v, want turns", o)
	}
	if turns := c.Turns(vip, at, Now()); len(turns) != 3 {
		t.Errorf("turns %v, want three", turns)
	}
	if other := l.VIPs[1].Addr; w.Doubled(other, at, Now()) != 0 || c.Outage(other, at, Now()).Turns != 0 {
		t.Errorf("%s is seen doubled, too", other)
	}
}

// A frozen memcached: its kernel accepts, nobody answers, attempts run into their time limit. Thawed, it goes on.
func TestFreezeAndThaw(t *testing.T) {
	l := newLab(t, Options{})
	vip, h := l.VIPs[0].Addr, l.Hosts[0]
	c := startClient(t, l, ClientOptions{})
	waitWrites(t, c, vip, 50)
	at := struck(t)(h.Memcached().Freeze())
	waitFailure(t, c, vip, at, FailureTimeout)
	o := c.Outage(vip, at, Now())
	if !o.GapOpen || o.To != "" || o.From != h.Name {
		t.Errorf("frozen: %v, want an open gap at %s", o, h.Name)
	}
	assertUnharmed(t, c, l.VIPs[1].Addr, at)
	struck(t)(h.Memcached().Thaw())
	must(t, c.WaitServed(within(t), vip, h.Name))
	must(t, c.WaitQuiet(within(t), patience/40))
	if n := len(c.Stale(at, Now())); n != 0 {
		t.Errorf("%d stale reads: %v", n, c.Stale(at, Now()))
	}
}

// A killed memcached: refused at once, and by the same host again when it is back, empty.
func TestKillAndStart(t *testing.T) {
	l := newLab(t, Options{})
	vip, h := l.VIPs[0].Addr, l.Hosts[0]
	c := startClient(t, l, ClientOptions{})
	first := h.Memcached().PID()
	at := struck(t)(h.Memcached().Kill())
	waitFailure(t, c, vip, at, FailureRefused)
	if h.Memcached().PID() != 0 {
		t.Error("still has a pid after Kill")
	}
	must(t, h.Memcached().Start())
	must(t, c.WaitServed(within(t), vip, h.Name))
	if o := c.Outage(vip, at, Now()); o.To != "" || o.GapOpen || o.Failed == 0 || o.Stale != 0 {
		t.Errorf("killed and started: %v", o)
	}
	if h.Memcached().PID() == first || h.Memcached().Starts() != 2 {
		t.Errorf("pid %d after %d, %d starts", h.Memcached().PID(), first, h.Memcached().Starts())
	}
}

// A memcached that a service manager looks after comes back by itself.
func TestRespawn(t *testing.T) {
	l := newLab(t, Options{Respawn: patience / 1000})
	vip, h := l.VIPs[0].Addr, l.Hosts[0]
	c := startClient(t, l, ClientOptions{})
	at := struck(t)(h.Memcached().Kill())
	waitFailure(t, c, vip, at, FailureRefused)
	must(t, c.WaitServed(within(t), vip, h.Name))
	if n := h.Memcached().Starts(); n != 2 {
		t.Errorf("%d starts, want 2", n)
	}
}

// The closed loop of the baseline sees the same move, coarser.
func TestClosedLoop(t *testing.T) {
	l := newLab(t, Options{})
	vip, a, b := l.VIPs[0].Addr, l.Hosts[0], l.Hosts[1]
	c := startClient(t, l, ClientOptions{Discipline: ClosedLoop})
	waitWrites(t, c, vip, 50)
	at := struck(t)(l.Cut(a))
	waitFailure(t, c, vip, at, FailureTimeout)
	serve(t, b, vip)
	must(t, c.WaitServed(within(t), vip, b.Name))
	if o := c.Outage(vip, at, Now()); o.From != a.Name || o.To != b.Name || o.Failed == 0 || o.Stale != 0 {
		t.Errorf("%v", o)
	}
}

// With one instance per VIP each answers for its own, and dies alone.
func TestInstancePerVIP(t *testing.T) {
	l := newLab(t, Options{InstancePerVIP: true, Hosts: 2, VIPs: 3})
	a, b := l.Hosts[0], l.Hosts[1]
	first, third := l.VIPs[0].Addr, l.VIPs[2].Addr // both at home on the first host
	c := startClient(t, l, ClientOptions{})
	at := struck(t)(a.Instance(first).Kill())
	waitFailure(t, c, first, at, FailureRefused)
	assertUnharmed(t, c, third, at)
	move(t, first, a, b)
	must(t, c.WaitServed(within(t), first, b.Name))
	s, err := l.OpenVIP(within(t), first)
	must(t, err)
	defer s.Close()
	stats, err := s.Stats("")
	must(t, err)
	if want := itoa(b.Instance(first).PID()); stats["pid"] != want {
		t.Errorf("pid %s answers, want %s", stats["pid"], want)
	}
}
