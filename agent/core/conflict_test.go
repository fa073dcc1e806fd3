package core

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// settled returns a cluster of three in which a holds v1.
func settled(t *testing.T) *world {
	t.Helper()
	w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a"}}, true, 600*time.Millisecond)
	for _, h := range w.hosts() {
		h.start()
	}
	w.run(7 * time.Second)
	if up := w.upAt("v1"); !slices.Equal(up, []string{"a"}) {
		t.Fatalf("v1 is up on %v", up)
	}
	return w
}

// A flood of claims is counted to the last one, and answered as often as RFC 5227 allows.
func TestFloodOfClaims(t *testing.T) {
	w := settled(t)
	a := w.nodes["a"].m
	const length, times = 60 * time.Second, 7
	answers, sent := 0, 0
	for range int(length / (10 * time.Millisecond)) {
		w.run(10 * time.Millisecond)
		for _, e := range a.Step(w.now, AddressSeen{"v1", macOf(0x99), times}) {
			if x, ok := e.(AnnounceAddress); ok {
				if x != (AnnounceAddress{"v1", true}) {
					t.Errorf("answered by %+v", x)
				}
				answers++
			}
		}
		sent += times
	}
	answers += strings.Count(w.taken(), "announces it once") // those that were owed
	if n := int(length / defendInterval); answers < n-1 || answers > n+1 {
		t.Errorf("%d answers in %s, want one each %s", answers, length, defendInterval)
	}
	if got := a.Status(w.now).Counted["conflict"]; got != sent {
		t.Errorf("%d claims counted of %d", got, sent)
	}
	if n := len(a.packets); n > packetsMax {
		t.Errorf("%d claims remembered", n)
	}
}

// While others hold a VIP a foreign host's claims make this node ask the voters, but not more often than twice as
// often as it does anyway.
func TestForeignHostDoesNotFloodTheVoters(t *testing.T) {
	w := settled(t)
	b := w.nodes["b"].m
	before := b.counter
	for range 6000 {
		w.run(time.Millisecond)
		w.nodes["b"].step(AddressSeen{"v1", macOf(0x99), 1})
	}
	if beats, most := b.counter-before, uint64(2*6*time.Second/(600*time.Millisecond/4)); beats > most {
		t.Errorf("%d claims sent in 6 s, want at most %d", beats, most)
	}
	if s := b.describe().VIPs[0].Standing; s != Eligible {
		t.Errorf("a VIP that a holds is barred: %s", s)
	}
}

// What members tell is remembered, within bounds.
func TestMACsRememberedAreBounded(t *testing.T) {
	w := settled(t)
	a := w.nodes["a"].m
	var last []string
	for i := range 100 {
		last = nil
		for j := range 3 {
			last = append(last, macOf(0x100+3*i+j))
		}
		w.nodes["b"].step(MACsChanged{last})
		w.run(200 * time.Millisecond)
	}
	if n := len(a.macs["b"]); n != macsKept {
		t.Errorf("%d remembered, want %d", n, macsKept)
	}
	for _, mac := range last {
		if a.ownerOf(mac) != "b" {
			t.Errorf("%s is not known as b's", mac)
		}
	}
	if a.ownerOf(macOf(2)) != "" {
		t.Error("the oldest is still known")
	}
}

// What a node tells of itself is sorted, in small letters, each once, and no more than a packet has room for.
func TestMACsAsTold(t *testing.T) {
	w := settled(t)
	a := w.nodes["a"].m
	a.Step(w.now, MACsChanged{[]string{"02:00:00:00:00:BB", "02:00:00:00:00:aa", "02:00:00:00:00:bb"}})
	if got, want := a.describe().MACs, []string{"02:00:00:00:00:aa", "02:00:00:00:00:bb"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	var many []string
	for i := range 2 * macsMax {
		many = append(many, macOf(i))
	}
	a.Step(w.now, MACsChanged{many})
	if n := len(a.describe().MACs); n != macsMax {
		t.Errorf("%d told, want %d", n, macsMax)
	}
}

// A member whose agent is too old to tell its MACs is not called a stranger, nor is anybody else then.
func TestMembersThatTellNoMACs(t *testing.T) {
	w := settled(t)
	w.nodes["c"].cfg.MACs = nil
	w.nodes["c"].m = nil
	w.nodes["c"].start()
	for _, n := range []string{"a", "b"} {
		delete(w.nodes[n].m.macs, "c")
	}
	w.run(time.Second)
	w.nodes["b"].step(AddressSeen{"v1", macOf(3), 1})
	b := w.nodes["b"].m
	if n := b.counts["conflict"]; n != 0 || b.counts["conflict_unsure"] != 1 {
		t.Errorf("counted %v", b.counts)
	}
}

// While leases are being changed a member with a longer one speaks seldom. It was not away.
func TestLongerLeaseIsNoSilence(t *testing.T) {
	w := settled(t)
	a, c := w.nodes["a"], w.nodes["c"]
	for i, lease := range []time.Duration{5 * time.Second, 600 * time.Millisecond} {
		w.split([][]string{{"a", "b"}, {"c"}})
		w.run(100 * time.Millisecond)
		before := a.m.counts["announced_again"]
		for range 5 {
			w.run(1200 * time.Millisecond)
			c.m.counter++
			a.step(Received{"c:7946", Claim{From: c.m.self, Counter: c.m.counter, Length: lease, State: c.m.state()}})
		}
		if n := a.m.counts["announced_again"] - before; n != 5*i {
			t.Errorf("lease %s: announced again %d times, want %d", lease, n, 5*i)
		}
		clear(w.cut)
		w.run(time.Second)
	}
}
