package vip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

var (
	stranger = net.HardwareAddr{2, 0xbe, 0xef, 0, 0, 7}
	probe4   = Address{Prefix: netip.MustParsePrefix("10.0.0.99/32"), Link: hostLink}
	probe6   = Address{Prefix: netip.MustParsePrefix("fd00::99/128"), Link: hostLink}
)

// claimsContract is what a Manager promises of what others say of its addresses.
var claimsContract = []clause{
	{"claims_of_others_are_told", func(t *testing.T, w world) {
		m := w.open(t)
		for _, a := range []Address{service, service6} {
			s := sight(t, w, m, a)
			s.sendUntil(t, claimOf(t, a.Prefix.Addr(), stranger), a)
			for _, x := range s.seen() {
				if x.Address != a || x.MAC.String() != stranger.String() || x.Times < 1 {
					t.Errorf("told %+v", x)
				}
			}
			s.end(t)
		}
	}},
	{"any_arp_with_the_address_as_sender_claims_it", func(t *testing.T, w world) {
		other := netip.MustParseAddr("10.0.0.77")
		s := sight(t, w, w.open(t), service)
		for _, op := range []arp.Operation{arp.OperationRequest, arp.OperationReply} {
			s.sendUntil(t, arpFrame(t, op, stranger, service.Prefix.Addr(), other), service)
		}
	}},
	{"what_claims_no_watched_address_is_not_told", func(t *testing.T, w world) {
		s := sight(t, w, w.open(t), service, service6, probe4, probe6)
		s.ready(t)
		ip := service.Prefix.Addr()
		for _, frame := range [][]byte{
			claimOf(t, netip.MustParseAddr("10.0.0.51"), stranger),
			claimOf(t, netip.MustParseAddr("fd00::51"), stranger),
			arpFrame(t, arp.OperationRequest, stranger, netip.MustParseAddr("10.0.0.77"), ip), // asks for it
			arpFrame(t, arp.OperationRequest, stranger, netip.IPv4Unspecified(), ip),          // probes
		} {
			w.send(t, frame)
		}
		s.ready(t)
		s.sawOnlyProbes(t)
	}},
	{"own_announcements_are_not_told", func(t *testing.T, w world) {
		m := w.open(t)
		s := sight(t, w, m, service, service6, probe4, probe6)
		s.ready(t)
		take(t, m, service)
		take(t, m, service6)
		// A loop in the network brings them back.
		links, err := m.Links()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			if l.Name == hostLink {
				w.send(t, claimOf(t, service.Prefix.Addr(), l.MAC))
				w.send(t, claimOf(t, service6.Prefix.Addr(), l.MAC))
			}
		}
		s.ready(t)
		s.sawOnlyProbes(t)
	}},
	{"claims_on_other_links_are_not_told", func(t *testing.T, w world) {
		s := sight(t, w, w.open(t), Address{service.Prefix, "lo"}, Address{service.Prefix, "nowhere"}, probe4, probe6)
		s.ready(t)
		w.send(t, claimOf(t, service.Prefix.Addr(), stranger))
		s.ready(t)
		s.sawOnlyProbes(t)
	}},
	{"watch_of_claims_begins_again", func(t *testing.T, w world) {
		m := w.open(t)
		for range 2 {
			s := sight(t, w, m, service, probe4, probe6)
			s.ready(t)
			if err := m.WatchClaims(t.Context(), nil, nil); !errors.Is(err, errOverheard) {
				t.Errorf("a second watch beside the first: %v, want %v", err, errOverheard)
			}
			s.end(t)
			w.send(t, claimOf(t, service.Prefix.Addr(), stranger)) // nobody hears it, then or later
			s.sawOnlyProbes(t)
		}
	}},
	{"watch_of_bad_addresses_is_refused", func(t *testing.T, w world) {
		m := w.open(t)
		err := m.WatchClaims(t.Context(), []Address{{Prefix: service.Prefix}}, nil)
		const want = "vip: watch claims of 10.0.0.50/32 on : bad address: no link given"
		if !errors.Is(err, ErrAddress) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}},
	{"close_ends_the_watch_of_claims", func(t *testing.T, w world) {
		m := w.open(t)
		ended := make(chan error)
		go func() { ended <- m.WatchClaims(context.Background(), []Address{service}, func(Sighting) {}) }()
		waitFor(t, "a claim", func() bool {
			w.send(t, claimOf(t, service.Prefix.Addr(), stranger))
			return m.Counts().Claims > 0
		})
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("WatchClaims: %v, want ErrClosed", err)
		}
		if err := m.WatchClaims(context.Background(), nil, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("WatchClaims of a closed Manager: %v, want ErrClosed", err)
		}
	}},
	{"answer_to_a_claim_is_one_announcement", func(t *testing.T, w world) {
		m := w.open(t)
		if err := m.AnnounceOnce(service); !errors.Is(err, ErrNotHeld) {
			t.Errorf("AnnounceOnce: %v, want ErrNotHeld", err)
		}
		take(t, m, service)
		hear2(t, w)
		if err := m.AnnounceOnce(service); err != nil {
			t.Error(err)
		}
		waitFor(t, "the answer", func() bool { return len(w.heardOf(service.Prefix.Addr())) == 4 })
		if n := m.Counts().Announced; n != 2 {
			t.Errorf("%d bursts, want the first and the answer", n)
		}
	}},
	{"answer_to_a_claim_waits_for_a_lease", func(t *testing.T, w world) {
		m := w.open(t)
		lease, revoke := revocable()
		if err := m.Take(service, lease); err != nil {
			t.Fatal(err)
		}
		revoke()
		if err := m.AnnounceOnce(service); !errors.Is(err, ErrTooLate) {
			t.Errorf("AnnounceOnce: %v, want ErrTooLate", err)
		}
		absent(t, w, service.Prefix)
	}},
}

// claimOf is a frame by which a host says that an address is at mac.
func claimOf(t testing.TB, ip netip.Addr, mac net.HardwareAddr) []byte {
	t.Helper()
	frames, err := announcement(mac, ip)
	if err != nil {
		t.Fatal(err)
	}
	return frames[0]
}

func arpFrame(t testing.TB, op arp.Operation, mac net.HardwareAddr, sender, target netip.Addr) []byte {
	t.Helper()
	p, err := arp.NewPacket(op, mac, sender, make(net.HardwareAddr, 6), target)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	frame, err := (&ethernet.Frame{Destination: ethernet.Broadcast, Source: mac, EtherType: ethernet.EtherTypeARP, Payload: payload}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// sightings collects what WatchClaims tells.
type sightings struct {
	w      world
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once

	mu   sync.Mutex
	list []Sighting
}

// sight watches addresses until the test ends.
func sight(t *testing.T, w world, m *Manager, addresses ...Address) *sightings {
	t.Helper()
	s := &sightings{w: w, ended: make(chan error, 1)}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(t.Context())
	go func() { s.ended <- m.WatchClaims(ctx, addresses, s.add) }()
	t.Cleanup(func() { s.end(t) })
	return s
}

func (s *sightings) end(t *testing.T) {
	t.Helper()
	s.once.Do(func() {
		s.cancel()
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("WatchClaims: %v, want canceled", err)
		}
	})
}

func (s *sightings) add(x Sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, x)
}

func (s *sightings) seen() []Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Sighting(nil), s.list...)
}

func (s *sightings) times(a Address, mac net.HardwareAddr) int {
	n := 0
	for _, x := range s.seen() {
		if x.Address == a && x.MAC.String() == mac.String() {
			n += x.Times
		}
	}
	return n
}

// sendUntil sends a frame again and again until it is told as a claim of the address.
func (s *sightings) sendUntil(t *testing.T, frame []byte, a Address) {
	t.Helper()
	before := s.times(a, stranger)
	waitFor(t, "a claim of "+a.String(), func() bool {
		s.w.send(t, frame)
		return s.times(a, stranger) > before
	})
}

// ready waits until the watch tells claims, and so all those that came before.
func (s *sightings) ready(t *testing.T) {
	t.Helper()
	for _, a := range []Address{probe4, probe6} {
		s.sendUntil(t, claimOf(t, a.Prefix.Addr(), stranger), a)
	}
}

func (s *sightings) sawOnlyProbes(t *testing.T) {
	t.Helper()
	for _, x := range s.seen() {
		if x.Address != probe4 && x.Address != probe6 {
			t.Errorf("told %+v", x)
		}
	}
}
