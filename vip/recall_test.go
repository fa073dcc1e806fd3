package vip

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestRecallSchedule(t *testing.T) {
	// The dumb version: the moments of the rounds, written down.
	moments := []time.Duration{5 * time.Millisecond, 105 * time.Millisecond, 655 * time.Millisecond}
	var at time.Duration
	for n, want := range moments {
		wait, more := RecallSchedule(n)
		if at += wait; at != want || !more {
			t.Errorf("round %d at %s (%v), want %s", n, at, more, want)
		}
	}
	for _, n := range []int{-1, len(moments), 1 << 40} {
		if _, more := RecallSchedule(n); more {
			t.Errorf("there is a round %d", n)
		}
	}
}

// The packets were written down from RFC 9293, 791 and 8200, their checksums reckoned by another program.
func TestTickle(t *testing.T) {
	cases := []struct{ from, to, want string }{
		{"10.0.0.50:11211", "10.0.0.2:40000", "45000000" + "00000000" + "40060000" + "0a000032" + "0a000002" +
			"2bcb9c40" + "40000000" + "00000000" + "50100400" + "8f950000"},
		{"[fd00::50]:11211", "[fd00::2]:40000", "60000000" + "00140640" + "fd000000000000000000000000000050" + "fd000000000000000000000000000002" +
			"2bcb9c40" + "40000000" + "00000000" + "50100400" + "a9750000"},
	}
	for _, c := range cases {
		if got := hex.EncodeToString(tickle(netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to), 1<<30)); got != c.want {
			t.Errorf("%s to %s:\n got %s\nwant %s", c.from, c.to, got, c.want)
		}
	}
}

// formerOf is a host whose addresses had these clients elsewhere.
func formerOf(t *testing.T, clients ...Client) (*fakeWorld, *Manager) {
	w := &fakeWorld{kernel: newFakeKernel()}
	m := w.open(t)
	m.former = func(netip.Addr) []Client { return clients }
	return w, m
}

func clientAt(last byte) Client {
	return Client{Peer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, last}), 40000), Port: 11211, MAC: MAC{2, 0, 0, 0, 0, last}}
}

// firstRound lets simulated time pass until the first round of a recall is over.
func firstRound() {
	<-time.After(recallFirst)
	synctest.Wait()
}

// moments are when packets left, counted from the beginning.
func (w *fakeWorld) moments(begun time.Time) string {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()
	text := ""
	for _, p := range w.kernel.packets {
		text += fmt.Sprintf("%s %s\n", p.at.Sub(begun), p.to)
	}
	return text
}

func TestRecallFollowsItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, m := formerOf(t, clientAt(7), clientAt(8))
		begun := time.Now()
		take(t, m, service)
		waitUntil(begun.Add(10*time.Second), func() {})
		want := "5ms 10.0.0.7\n5ms 10.0.0.8\n105ms 10.0.0.7\n105ms 10.0.0.8\n655ms 10.0.0.7\n655ms 10.0.0.8\n"
		if got := w.moments(begun); got != want {
			t.Errorf("sent\n%swant\n%s", got, want)
		}
		if n := m.Counts(); n.Tickled != 6 || n.Directed != 3*2*2 {
			t.Errorf("counted %d packets and %d frames", n.Tickled, n.Directed)
		}
	})
}

// The broadcast comes first: one who hears it need not wait for anything that is for others.
func TestAnnouncementComesBeforeTheRecall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, m := formerOf(t, clientAt(7))
		take(t, m, service)
		firstRound()
		var to []string
		for _, h := range w.heardOf(service.Prefix.Addr()) {
			to = append(to, h.to.String())
		}
		const all, one = "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:07"
		if got, want := fmt.Sprint(to), fmt.Sprint([]string{all, all, one, one}); got != want {
			t.Errorf("announced to %s, want %s", got, want)
		}
	})
}

func TestRecallEnds(t *testing.T) {
	cases := []struct {
		name string
		end  func(t *testing.T, w *fakeWorld, m *Manager, leave func())
	}{
		{"with its lease", func(_ *testing.T, _ *fakeWorld, _ *Manager, leave func()) { leave() }},
		{"with a release", func(t *testing.T, _ *fakeWorld, m *Manager, _ func()) { drop(t, m, service) }},
		{"with the Manager", func(t *testing.T, _ *fakeWorld, m *Manager, _ func()) {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, m := formerOf(t, clientAt(7))
				lease, move := until(time.Now().Add(time.Hour))
				if err := m.Take(service, lease); err != nil {
					t.Fatal(err)
				}
				firstRound()
				c.end(t, w, m, func() { move(time.Now()) })
				waitUntil(time.Now().Add(time.Second), func() {})
				if n := m.Counts().Tickled; n != 1 {
					t.Errorf("%d packets sent, want the first alone", n)
				}
			})
		})
	}
}

// Nobody is recalled to an address that was here all the time, or is put back, or is announced again.
func TestNobodyIsRecalledToWhatStayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, m := formerOf(t)
		take(t, m, service)
		synctest.Wait()
		m.former = func(netip.Addr) []Client { return []Client{clientAt(7)} }
		take(t, m, service)
		if err := m.Announce(service); err != nil {
			t.Fatal(err)
		}
		w.removeForeign(t, service.Prefix)
		if _, err := m.Restore(service); err != nil {
			t.Fatal(err)
		}
		w.removeForeign(t, service.Prefix)
		take(t, m, service)
		firstRound()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		next := w.open(t)
		next.former = m.former
		if err := next.Take(service, forever); err != nil {
			t.Fatal(err)
		}
		waitUntil(time.Now().Add(time.Second), func() {})
		if got := w.moments(time.Now()); got != "" || m.Counts().Directed+next.Counts().Directed != 0 {
			t.Errorf("sent\n%s", got)
		}
		drop(t, next, service)
		take(t, next, service)
		firstRound()
		if next.Counts().Tickled != 1 {
			t.Error("nobody is recalled once it was away")
		}
	})
}

// An announcement that is due for another reason does not end a recall.
func TestRecallGoesOnBesideAnnouncements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, m := formerOf(t, clientAt(7))
		take(t, m, service)
		firstRound()
		if err := m.Announce(service); err != nil {
			t.Fatal(err)
		}
		waitUntil(time.Now().Add(time.Second), func() {})
		if n := m.Counts().Tickled; n != rounds() {
			t.Errorf("%d packets sent, want %d", n, rounds())
		}
	})
}

func TestRecallIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var many []Client
		for i := range 3000 {
			c := clientAt(7)
			c.Peer = netip.AddrPortFrom(c.Peer.Addr(), uint16(i+1))
			c.MAC[3], c.MAC[4] = byte(i>>8), byte(i)
			many = append(many, c)
		}
		w, m := formerOf(t, append(many, Client{Peer: netip.MustParseAddrPort("[fd00::7]:1"), Port: 11211})...)
		begun := time.Now()
		take(t, m, service)
		firstRound()
		const frames = 2 * directedMax
		if n := m.Counts(); n.Directed != frames || n.Tickled != recallBurst-frames {
			t.Errorf("at once: %d frames and %d packets, want %d and %d", n.Directed, n.Tickled, frames, recallBurst-frames)
		}
		waitUntil(begun.Add(10*time.Second), func() {})
		if n := m.Counts(); n.Directed != frames*rounds() || n.Tickled != 3000*rounds() || n.RecallFailed != 0 {
			t.Errorf("in all: %+v", n)
		}
		w.kernel.mu.Lock()
		defer w.kernel.mu.Unlock()
		const first = 3000 + frames
		if took, want := w.kernel.packets[2999].at.Sub(begun), recallFirst+(first-recallBurst)*time.Second/recallsPerSecond; took < want-time.Millisecond || took > want+10*time.Millisecond {
			t.Errorf("the first round took %s, want %s", took, want)
		}
	})
}

func TestRecallGoesOnPastErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, m := formerOf(t, clientAt(7), clientAt(8))
		w.kernel.fail = failing(map[string]error{"send packet": unix.EPERM})
		take(t, m, service)
		waitUntil(time.Now().Add(time.Second), func() {})
		if n := m.Counts(); n.Tickled != 0 || n.RecallFailed != 2*rounds() || n.AnnounceFailed != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestNextHopsAreBounded(t *testing.T) {
	w := &fakeWorld{kernel: newFakeKernel()}
	m := w.open(t)
	router := netip.MustParseAddr("10.0.0.254")
	group, near := netip.MustParseAddr("10.0.0.8"), netip.MustParseAddr("10.0.0.7")
	w.kernel.near = map[netip.Addr]MAC{router: {2, 4}, near: {2, 7}, group: {1, 0, 0x5e}}
	w.kernel.routers = map[netip.Addr]netip.Addr{}
	asked := []netip.Addr{near, near, group}
	for i := range 200 {
		far := netip.AddrFrom4([4]byte{192, 168, 0, byte(i)})
		w.kernel.routers[far] = router
		asked = append(asked, far)
	}
	got, err := m.NextHops(hostLink, asked)
	if err != nil || got[near] != (MAC{2, 7}) || len(got) != 1+lookupsMax {
		t.Errorf("%d found, %v: %v", len(got), err, got[near])
	}
	if _, found := got[group]; found {
		t.Error("a group's address is taken for a host's")
	}
}
