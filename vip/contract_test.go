package vip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mdlayher/arp"
	"golang.org/x/sys/unix"
)

var service = Address{Prefix: netip.MustParsePrefix("10.0.0.50/32"), Link: hostLink}

// forever is a lease that never ends.
func forever() time.Duration { return time.Hour }

// asked returns a lease that is in force the first n times it is asked.
func asked(n int32) Lease {
	var count atomic.Int32
	return func() time.Duration {
		if count.Add(1) <= n {
			return time.Hour
		}
		return 0
	}
}

// revocable returns a lease that lasts until it is revoked.
func revocable() (lease Lease, revoke func()) {
	var over atomic.Bool
	return func() time.Duration {
		if over.Load() {
			return 0
		}
		return time.Hour
	}, func() { over.Store(true) }
}

// A clause is one thing that a Manager promises on every kernel.
type clause struct {
	name string
	run  func(t *testing.T, w world)
}

// contract is what it promises of addresses and links; claimsContract goes on.
var contract = []clause{
	{"add_twice_is_one_address", func(t *testing.T, w world) {
		m := w.open(t)
		take(t, m, service)
		take(t, m, service)
		if got := count(w.there(t), service.Prefix); got != 1 {
			t.Errorf("address is there %d times, want once", got)
		}
	}},
	{"address_is_tagged_and_short_lived", func(t *testing.T, w world) {
		take(t, w.open(t), service)
		p := find(t, w.there(t), service.Prefix)
		if p.Protocol != tagProtocol || p.Label != hostLink+":mv" {
			t.Errorf("tag: protocol %d label %q", p.Protocol, p.Label)
		}
		if p.Flags&unix.IFA_F_NOPREFIXROUTE == 0 || p.Preferred != 0 || p.Valid <= 0 || p.Valid > validLifetime {
			t.Errorf("flags %#x, preferred %s, valid %s", p.Flags, p.Preferred, p.Valid)
		}
	}},
	{"other_prefix_lengths_are_kept", func(t *testing.T, w world) {
		wide := Address{Prefix: netip.MustParsePrefix("10.0.0.50/24"), Link: hostLink}
		m := w.open(t)
		take(t, m, wide)
		find(t, w.there(t), wide.Prefix)
		drop(t, m, wide)
		absent(t, w, wide.Prefix)
	}},
	{"taken_address_is_announced_as_request_and_reply", func(t *testing.T, w world) {
		take(t, w.open(t), service)
		burst := hear2(t, w)
		if burst[0].packet.Operation != arp.OperationRequest || burst[1].packet.Operation != arp.OperationReply {
			t.Errorf("heard %v then %v, want request then reply", burst[0].packet.Operation, burst[1].packet.Operation)
		}
	}},
	{"announcement_is_repeated_after_more_than_a_second", func(t *testing.T, w world) {
		take(t, w.open(t), service)
		var list []heard
		waitFor(t, "a second burst", func() bool { list = w.heardOf(service.Prefix.Addr()); return len(list) >= 4 })
		if pause := list[2].at.Sub(list[0].at).Seconds(); pause < 1 {
			t.Errorf("second burst after %.3f s, want more than 1 s", pause)
		}
	}},
	{"dropped_address_is_not_announced_again", func(t *testing.T, w world) {
		m := w.open(t)
		take(t, m, service)
		hear2(t, w)
		drop(t, m, service)
		other := Address{Prefix: netip.MustParsePrefix("10.0.0.51/32"), Link: hostLink}
		take(t, m, other)
		waitFor(t, "a second burst of the other", func() bool { return len(w.heardOf(other.Prefix.Addr())) >= 4 })
		if n := len(w.heardOf(service.Prefix.Addr())); n != 2 {
			t.Errorf("heard %d announcements of the dropped address, want 2", n)
		}
	}},
	{"taking_without_a_lease_leaves_nothing", func(t *testing.T, w world) {
		leavesNothing(t, w, asked(0))
	}},
	{"lease_that_ends_during_the_write_leaves_nothing", func(t *testing.T, w world) {
		leavesNothing(t, w, asked(1))
	}},
	{"prolonging_without_a_lease_removes_the_address", func(t *testing.T, w world) {
		m := w.open(t)
		lease, revoke := revocable()
		if err := m.Take(service, lease); err != nil {
			t.Fatal(err)
		}
		revoke()
		if _, err := m.Prolong(service); !errors.Is(err, ErrTooLate) {
			t.Errorf("Prolong: %v, want ErrTooLate", err)
		}
		absent(t, w, service.Prefix)
		if _, err := m.Prolong(service); !errors.Is(err, ErrNotHeld) {
			t.Errorf("Prolong again: %v, want ErrNotHeld", err)
		}
	}},
	{"announcement_waits_for_a_lease", func(t *testing.T, w world) {
		m := w.open(t)
		lease, revoke := revocable()
		if err := m.Take(service, lease); err != nil {
			t.Fatal(err)
		}
		revoke()
		waitFor(t, "a withheld announcement", func() bool { return m.Counts().Withheld > 0 })
		if n := len(w.heardOf(service.Prefix.Addr())); n > 2 {
			t.Errorf("heard %d announcements, want no more than the first two", n)
		}
	}},
	{"prolonging_keeps_and_restores", func(t *testing.T, w world) {
		m := w.open(t)
		take(t, m, service)
		if got, err := m.Prolong(service); got != ProlongedNot || err != nil {
			t.Errorf("at once: %v, %v; want not", got, err)
		}
		prolongUntil(t, m, ProlongedRefreshed)
		w.removeForeign(t, service.Prefix)
		prolongUntil(t, m, ProlongedRestored)
		find(t, w.there(t), service.Prefix)
	}},
	{"restoring_does_not_wait_for_a_refresh_to_be_due", func(t *testing.T, w world) {
		m := w.open(t)
		take(t, m, service)
		w.removeForeign(t, service.Prefix)
		if got, err := m.Restore(service); got != ProlongedRestored || err != nil {
			t.Errorf("removed: %v, %v; want restored", got, err)
		}
		find(t, w.there(t), service.Prefix)
		if got, err := m.Restore(service); got != ProlongedRefreshed || err != nil {
			t.Errorf("there: %v, %v; want refreshed", got, err)
		}
	}},
	{"who_removed_an_address_is_known", func(t *testing.T, w world) {
		m := w.open(t)
		told := watch(t, m)
		there := func(want bool) {
			awaitLink(t, told, func(l Link) bool { return slices.Contains(l.Prefixes, service.Prefix) == want })
		}
		take(t, m, service)
		there(true)
		drop(t, m, service)
		there(false)
		if by := m.RemovedBy(service); by != "" {
			t.Errorf("after our own removal: %q, want nobody", by)
		}
		take(t, m, service)
		there(true)
		w.removeForeign(t, service.Prefix)
		there(false)
		if by := m.RemovedBy(service); by == "" {
			t.Error("after somebody else's removal: nobody is known to have done it")
		}
	}},
	{"address_vanishes_when_nobody_prolongs_it", func(t *testing.T, w world) {
		take(t, w.open(t), service)
		waitFor(t, "the end of its lifetime", func() bool { return count(w.there(t), service.Prefix) == 0 })
	}},
	{"foreign_address_is_left_alone", func(t *testing.T, w world) {
		w.addForeign(t, service.Prefix)
		before := find(t, w.there(t), service.Prefix)
		m := w.open(t)
		if err := m.Take(service, forever); !errors.Is(err, ErrForeign) {
			t.Errorf("Take: %v, want ErrForeign", err)
		}
		if _, err := m.Drop(service); !errors.Is(err, ErrForeign) {
			t.Errorf("Drop: %v, want ErrForeign", err)
		}
		if err := m.Take(service, asked(0)); !errors.Is(err, ErrTooLate) {
			t.Errorf("late Take: %v, want ErrTooLate", err)
		}
		if list, err := m.Leftovers(); len(list) != 0 || err != nil {
			t.Errorf("Leftovers: %v, %v", list, err)
		}
		if after := find(t, w.there(t), service.Prefix); after != before {
			t.Errorf("was %+v, is %+v", before, after)
		}
		if n := len(w.heardOf(service.Prefix.Addr())); n != 0 {
			t.Errorf("announced %d times", n)
		}
	}},
	{"drop_resets_connections_and_spares_listeners", func(t *testing.T, w world) {
		m := w.open(t)
		take(t, m, service)
		wild, bound := w.connect(t, service.Prefix.Addr(), wildPort), w.connect(t, service.Prefix.Addr(), boundPort)
		dropped := drop(t, m, service)
		if dropped.Sockets != 2 || dropped.Took <= 0 && !isFake(w) {
			t.Errorf("dropped %+v, want 2 sockets", dropped)
		}
		for name, ended := range map[string]func() error{"wildcard": wild, "bound": bound} {
			if err := ended(); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("%s: client saw %v, want a reset", name, err)
			}
		}
		take(t, m, service)
		w.connect(t, service.Prefix.Addr(), wildPort)
		w.connect(t, service.Prefix.Addr(), boundPort)
	}},
	{"drop_spares_connections_of_other_addresses", func(t *testing.T, w world) {
		m := w.open(t)
		other := Address{Prefix: netip.MustParsePrefix("10.0.0.5/32"), Link: hostLink}
		take(t, m, service)
		take(t, m, other)
		w.connect(t, other.Prefix.Addr(), wildPort)
		if dropped := drop(t, m, service); dropped.Sockets != 0 {
			t.Errorf("destroyed %d sockets of another address", dropped.Sockets)
		}
		if dropped := drop(t, m, other); dropped.Sockets != 1 {
			t.Errorf("destroyed %d sockets, want 1", dropped.Sockets)
		}
	}},
	{"drop_of_what_is_not_there_is_no_error", func(t *testing.T, w world) {
		m := w.open(t)
		drop(t, m, service)
		take(t, m, service)
		drop(t, m, service)
		drop(t, m, service)
		drop(t, m, Address{Prefix: service.Prefix, Link: "nowhere"})
		absent(t, w, service.Prefix)
	}},
	{"leftover_is_found_by_the_next_life", func(t *testing.T, w world) {
		w.addForeign(t, netip.MustParsePrefix("10.0.0.60/32"))
		first := w.open(t)
		take(t, first, service)
		if list, err := first.Leftovers(); len(list) != 0 || err != nil {
			t.Errorf("Leftovers while held: %v, %v", list, err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second := w.open(t)
		if list, err := second.Leftovers(); !slices.Equal(list, []Address{service}) || err != nil {
			t.Fatalf("Leftovers: %v, %v; want %v", list, err, service)
		}
		drop(t, second, service)
		absent(t, w, service.Prefix)
		find(t, w.there(t), netip.MustParsePrefix("10.0.0.60/32"))
	}},
	{"foreign_address_of_another_length_is_foreign", func(t *testing.T, w world) {
		wider := netip.PrefixFrom(service6.Prefix.Addr(), 64)
		w.addForeign(t, wider)
		m := w.open(t)
		if err := m.Take(service6, forever); !errors.Is(err, ErrForeign) {
			t.Errorf("Take: %v, want ErrForeign", err)
		}
		if _, err := m.Drop(service6); !errors.Is(err, ErrForeign) {
			t.Errorf("Drop: %v, want ErrForeign", err)
		}
		find(t, w.there(t), wider)
	}},
	{"connections_of_an_address_that_expired_are_ended", func(t *testing.T, w world) {
		m := w.open(t)
		other := Address{Prefix: netip.MustParsePrefix("10.0.0.51/32"), Link: hostLink}
		take(t, m, service)
		take(t, m, other)
		w.connect(t, service.Prefix.Addr(), wildPort)
		stays := w.connect(t, other.Prefix.Addr(), wildPort)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		w.removeForeign(t, service.Prefix)
		next := w.open(t)
		if n, err := next.EndConnections([]netip.Addr{service.Prefix.Addr(), netip.MustParseAddr("10.0.0.52")}); n != 1 || err != nil {
			t.Errorf("%d ended, %v; want 1", n, err)
		}
		take(t, next, other)
		if dropped := drop(t, next, other); dropped.Sockets != 1 {
			t.Errorf("%d connections of the other address are left, want 1", dropped.Sockets)
		}
		if err := stays(); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the other's client saw %v, want a reset", err)
		}
	}},
	{"leftover_can_be_taken", func(t *testing.T, w world) {
		first := w.open(t)
		take(t, first, service)
		hear2(t, w)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second := w.open(t)
		if err := second.Take(service, forever); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "an announcement by the second life", func() bool {
			return len(w.heardOf(service.Prefix.Addr())) >= 4
		})
		if list, err := second.Leftovers(); len(list) != 0 || err != nil {
			t.Errorf("Leftovers after Take: %v, %v", list, err)
		}
		prolongUntil(t, second, ProlongedRefreshed)
	}},
	{"link_down_is_told_and_keeps_the_holding", func(t *testing.T, w world) {
		m := w.open(t)
		take(t, m, service)
		told := watch(t, m)
		awaitLink(t, told, func(l Link) bool { return l.Up && slices.Contains(l.Prefixes, service.Prefix) })
		w.setLink(t, false)
		awaitLink(t, told, func(l Link) bool { return !l.Up })
		if err := m.Announce(service); !errors.Is(err, ErrNotAnnounced) {
			t.Errorf("Announce: %v, want ErrNotAnnounced", err)
		}
		w.setLink(t, true)
		awaitLink(t, told, func(l Link) bool { return l.Up })
		if err := m.Announce(service); err != nil {
			t.Errorf("Announce: %v", err)
		}
		drop(t, m, service)
		awaitLink(t, told, func(l Link) bool { return !slices.Contains(l.Prefixes, service.Prefix) })
	}},
	{"links_are_listed_with_their_addresses", func(t *testing.T, w world) {
		links, err := w.open(t).Links()
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(links, func(l Link) bool { return l.Name == hostLink })
		if at < 0 {
			t.Fatalf("no %s in %v", hostLink, links)
		}
		l := links[at]
		if !l.Up || len(l.MAC) != 6 || l.Index == 0 || !slices.Contains(l.Prefixes, hostIP4) {
			t.Errorf("%+v", l)
		}
	}},
	{"unknown_link_is_named", func(t *testing.T, w world) {
		err := w.open(t).Take(Address{Prefix: service.Prefix, Link: "nowhere"}, forever)
		const want = "vip: add 10.0.0.50/32 to nowhere: no such link"
		if !errors.Is(err, ErrNoLink) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}},
	{"closed_manager_refuses", func(t *testing.T, w world) {
		m := w.open(t)
		take(t, m, service)
		if err := errors.Join(m.Close(), m.Close()); err != nil {
			t.Fatal(err)
		}
		_, prolong := m.Prolong(service)
		_, dropped := m.Drop(service)
		_, leftovers := m.Leftovers()
		_, links := m.Links()
		watched := m.WatchLinks(t.Context(), func(Link) {})
		for _, err := range []error{
			m.Take(service, forever), m.Announce(service),
			prolong, dropped, leftovers, links, watched,
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%v, want ErrClosed", err)
			}
		}
		find(t, w.there(t), service.Prefix)
	}},
	{"close_ends_the_watch", func(t *testing.T, w world) {
		m := w.open(t)
		watching := make(chan struct{}, 100)
		ended := make(chan error)
		go func() { ended <- m.WatchLinks(context.Background(), func(Link) { watching <- struct{}{} }) }()
		<-watching
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("WatchLinks: %v, want ErrClosed", err)
		}
	}},
	{"many_addresses_at_once", func(t *testing.T, w world) {
		m := w.open(t)
		done := make(chan error)
		const addresses = 16
		for i := range addresses {
			a := Address{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}), 32), Link: hostLink}
			go func() {
				err := m.Take(a, forever)
				_, prolong := m.Prolong(a)
				_, dropped := m.Drop(a)
				done <- errors.Join(err, prolong, dropped)
			}()
		}
		for range addresses {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for _, p := range w.there(t) {
			if p.tagged(hostLink) {
				t.Errorf("%s is still there", p.Prefix)
			}
		}
	}},
}

func TestContract(t *testing.T) {
	for _, c := range slices.Concat(contract, claimsContract) {
		t.Run("fake/"+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, &fakeWorld{kernel: newFakeKernel()}) })
		})
		t.Run("netlink/"+c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, newRealWorld(t))
		})
		t.Run("nftables/"+c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, newFencedWorld(t))
		})
	}
}

func take(t testing.TB, m *Manager, a Address) {
	t.Helper()
	if err := m.Take(a, forever); err != nil {
		t.Fatal(err)
	}
}

func drop(t testing.TB, m *Manager, a Address) Dropped {
	t.Helper()
	dropped, err := m.Drop(a)
	if err != nil {
		t.Fatal(err)
	}
	return dropped
}

func leavesNothing(t *testing.T, w world, lease Lease) {
	t.Helper()
	m := w.open(t)
	if err := m.Take(service, lease); !errors.Is(err, ErrTooLate) {
		t.Errorf("Take: %v, want ErrTooLate", err)
	}
	absent(t, w, service.Prefix)
	if n := len(w.heardOf(service.Prefix.Addr())); n != 0 {
		t.Errorf("announced %d times", n)
	}
	if _, err := m.Prolong(service); !errors.Is(err, ErrNotHeld) {
		t.Errorf("Prolong: %v, want ErrNotHeld", err)
	}
}

func prolongUntil(t *testing.T, m *Manager, want Prolonged) {
	t.Helper()
	waitFor(t, "Prolong to say "+want.String(), func() bool {
		got, err := m.Prolong(service)
		if err != nil {
			t.Fatal(err)
		}
		return got == want
	})
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if err := await(what, func() (bool, error) { return holds(), nil }); err != nil {
		t.Fatal(err)
	}
}

// hear2 waits for the two frames of the first burst.
func hear2(t *testing.T, w world) []heard {
	t.Helper()
	var list []heard
	waitFor(t, "the first burst", func() bool { list = w.heardOf(service.Prefix.Addr()); return len(list) >= 2 })
	return list
}

func count(list []present, prefix netip.Prefix) int {
	n := 0
	for _, p := range list {
		if p.Prefix == prefix {
			n++
		}
	}
	return n
}

func find(t *testing.T, list []present, prefix netip.Prefix) present {
	t.Helper()
	for _, p := range list {
		if p.Prefix == prefix {
			return p
		}
	}
	t.Fatalf("%s is not on %s: %+v", prefix, hostLink, list)
	return present{}
}

func absent(t *testing.T, w world, prefix netip.Prefix) {
	t.Helper()
	if count(w.there(t), prefix) != 0 {
		t.Errorf("%s is on %s", prefix, hostLink)
	}
}

// watch tells the changes of hostLink until the test ends.
func watch(t *testing.T, m *Manager) (told <-chan Link) {
	t.Helper()
	links := make(chan Link, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- m.WatchLinks(ctx, func(l Link) {
			if l.Name == hostLink {
				links <- l
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("WatchLinks: %v, want canceled", err)
		}
	})
	return links
}

func awaitLink(t *testing.T, told <-chan Link, want func(Link) bool) {
	t.Helper()
	var last Link
	ok := func() bool {
		for {
			select {
			case last = <-told:
				if want(last) {
					return true
				}
			default:
				return false
			}
		}
	}
	waitFor(t, "news of "+hostLink, ok)
}
