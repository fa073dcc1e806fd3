package clients

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var (
	vipA = netip.MustParseAddr("10.0.0.101")
	vipB = netip.MustParseAddr("10.0.0.102")
	noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

func conn(i int) Conn {
	return Conn{Peer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 40000), Port: 11211}
}

func conns(from, to int) (list []Conn) {
	for i := from; i < to; i++ {
		list = append(list, conn(i))
	}
	return list
}

// look is one look that sees these.
func (t *Tracker) lookAt(list []Conn) bool {
	t.Begin()
	for _, c := range list {
		t.See(c)
	}
	return t.End()
}

func listed(t *Tracker) []Conn {
	list, _ := t.List()
	return list
}

func TestOnlyWhatStaysIsListed(t *testing.T) {
	var tr Tracker
	steps := []struct {
		sees []Conn
		news bool
		want []Conn
	}{
		{conns(0, 2), false, nil},
		{conns(0, 2), true, conns(0, 2)},
		{conns(0, 3), false, conns(0, 2)},                        // one more, perhaps for a moment
		{conns(0, 2), false, conns(0, 2)},                        // it was
		{conns(0, 3), false, conns(0, 2)},                        // again, which is another one
		{conns(0, 3), true, conns(0, 3)},                         // it stays
		{conns(1, 3), false, conns(1, 3)},                        // that one is gone is no news
		{nil, false, nil},                                        // all are
		{conns(1, 3), false, nil},                                // and come again
		{append(conns(1, 3), conns(1, 3)...), true, conns(1, 3)}, // and are seen twice
	}
	for i, s := range steps {
		if news := tr.lookAt(s.sees); news != s.news || !slices.Equal(listed(&tr), s.want) {
			t.Fatalf("look %d: news %v, lists %v; want %v, %v", i, news, listed(&tr), s.news, s.want)
		}
	}
}

// A look that comes to nothing makes nobody go.
func TestABrokenLookChangesNothing(t *testing.T) {
	var tr Tracker
	tr.lookAt(conns(0, 3))
	tr.lookAt(conns(0, 3))
	tr.Begin()
	tr.See(conn(0))
	if got := listed(&tr); len(got) != 3 {
		t.Errorf("lists %v in the middle of a look", got)
	}
	if tr.lookAt(conns(0, 3)) || len(listed(&tr)) != 3 {
		t.Errorf("lists %v after it", listed(&tr))
	}
}

// Those who are listed stay so while there are more than there is room for: else every look would bring news.
func TestAFullListIsSteady(t *testing.T) {
	var tr Tracker
	first := conns(1000, 1000+Max)
	tr.lookAt(first)
	tr.lookAt(first)
	more := conns(0, 10_000)
	for look := range 5 {
		if tr.lookAt(more) {
			t.Errorf("look %d brings news", look)
		}
	}
	list, over := tr.List()
	if !slices.Equal(list, first) || over != 10_000-Max || len(tr.known) > knownMax {
		t.Errorf("%d listed, %d over, %d known", len(list), over, len(tr.known))
	}
	tr.lookAt(conns(1010, 10_000)) // ten are gone
	if list, _ = tr.List(); len(list) != Max || slices.Contains(list, conn(1000)) {
		t.Errorf("%d are listed after ten made room", len(list))
	}
}

// The dumb version remembers everything.
func TestTrackerTwin(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		var tr Tracker
		before, was := map[Conn]bool{}, map[Conn]bool{}
		for look := range 40 {
			sees, now, news := []Conn{}, map[Conn]bool{}, false
			for _, c := range conns(0, 30) {
				if random.IntN(3) > 0 {
					sees = append(sees, c)
					now[c] = before[c]
					news = news || before[c] && !was[c]
				}
			}
			if got := tr.lookAt(sees); got != news {
				t.Fatalf("seed %d, look %d: news %v, want %v", seed, look, got, news)
			}
			var want []Conn
			for c, both := range now {
				if both {
					want = append(want, c)
				}
			}
			if got := listed(&tr); !slices.Equal(got, sorted(want)) {
				t.Fatalf("seed %d, look %d: lists %v, want %v", seed, look, got, want)
			}
			was, before = now, map[Conn]bool{}
			for _, c := range sees {
				before[c] = true
			}
		}
	}
}

func TestNewsGoAtOnceAndTheRestNowAndThen(t *testing.T) {
	p := NewPost(map[netip.Addr][]string{vipA: {"b", "c"}, vipB: {"b"}})
	at := func(after time.Duration, want string) {
		t.Helper()
		now := noon.Add(after)
		due := p.Due(now)
		if got := fmt.Sprint(due); got != want {
			t.Errorf("after %s due %s, want %s", after, got, want)
		}
		for _, e := range due {
			p.Told(e, 1, now)
		}
	}
	at(0, "[]")
	p.News(vipA)
	at(1*time.Second, "[{10.0.0.101 b} {10.0.0.101 c}]")
	at(2*time.Second, "[]")
	p.News(vipB)
	at(3*time.Second, "[{10.0.0.102 b}]")
	at(1*time.Second+RepeatEvery-1, "[]")
	at(1*time.Second+RepeatEvery, "[{10.0.0.101 b} {10.0.0.101 c}]")
	p.News(vipA)
	at(3*time.Second+RepeatEvery, "[{10.0.0.101 b} {10.0.0.101 c} {10.0.0.102 b}]") // news first
	p.Keep(func(vip netip.Addr) bool { return vip != vipA })
	at(time.Hour, "[{10.0.0.102 b}]")
	p.Told(Errand{vipA, "b"}, 1, noon) // too late to be of use
	p.News(netip.MustParseAddr("10.0.0.103"))
	at(time.Hour, "[]") // which nobody else may hold
}

// A list that changes all the time takes a packet a second, however long it is.
func TestNewsOfALongListAreRare(t *testing.T) {
	p := NewPost(map[netip.Addr][]string{vipA: {"b"}})
	packets := 0
	const minute, each = 60, 4
	for second := range minute {
		p.News(vipA)
		now := noon.Add(time.Duration(second) * time.Second)
		for _, e := range p.Due(now) {
			packets += each
			p.Told(e, each, now)
		}
	}
	if packets != minute {
		t.Errorf("%d packets in a minute, want %d", packets, minute)
	}
}

// Who sends a few at a time gets round to everybody, however much there is.
func TestEverybodyHasATurn(t *testing.T) {
	const vips, nodes, each = 10, 100, 7
	readers := map[netip.Addr][]string{}
	for i := range vips {
		for n := range nodes {
			readers[conn(i).Peer.Addr()] = append(readers[conn(i).Peer.Addr()], fmt.Sprintf("n%d", n))
		}
	}
	p := NewPost(readers)
	for vip := range readers {
		p.News(vip)
	}
	told := map[Errand]int{}
	for second := range vips*nodes/each + 1 {
		p.News(conn(0).Peer.Addr()) // one that changes all the time keeps nobody from the others
		now := noon.Add(time.Duration(second) * time.Second)
		due := p.Due(now)
		for _, e := range due[:min(each, len(due))] {
			told[e]++
			p.Told(e, 1, now)
		}
	}
	if len(told) != vips*nodes {
		t.Errorf("%d of %d were told", len(told), vips*nodes)
	}
}

// part is a piece of a list of the clients from one number to another.
func part(from string, number uint64, index, count, first, last int) Part {
	p := Part{From: from, VIP: vipA, Number: number, Index: index, Count: count}
	for _, c := range conns(first, last) {
		p.Clients = append(p.Clients, Client{Conn: c})
	}
	return p
}

func TestTheNewestListCounts(t *testing.T) {
	b := NewBook([]netip.Addr{vipA})
	steps := []struct {
		why   string
		after time.Duration
		part  Part
		want  []Conn
	}{
		{"the first piece counts at once", 0, part("a", 5, 0, 2, 0, 3), conns(0, 3)},
		{"the second", 0, part("a", 5, 1, 2, 3, 6), conns(0, 6)},
		{"the same again", 0, part("a", 5, 1, 2, 3, 6), conns(0, 6)},
		{"an older one", time.Second, part("a", 4, 0, 1, 90, 99), conns(0, 6)},
		{"a newer one, of which a piece is lost", time.Second, part("a", 6, 0, 2, 1, 3), conns(1, 6)},
		{"a shorter one", time.Second, part("a", 7, 0, 1, 1, 3), conns(1, 3)},
		{"a longer one", time.Second, part("a", 8, 2, 3, 7, 9), append(conns(1, 3), conns(7, 9)...)},
		{"the next holder's", time.Second, part("b", 1, 0, 1, 20, 22), conns(20, 22)},
		{"an empty one", time.Second, part("b", 2, 0, 1, 0, 0), nil},
		{"numbers begin anew", doubtAfter, part("b", 1, 0, 1, 30, 32), conns(30, 32)},
		{"another VIP's", 0, Part{From: "b", VIP: vipB, Number: 9, Count: 1, Clients: []Client{{Conn: conn(1)}}}, conns(30, 32)},
		{"a piece beyond", 0, part("b", 9, 1, 1, 0, 1), conns(30, 32)},
		{"a piece before", 0, part("b", 9, -1, 1, 0, 1), conns(30, 32)},
		{"too many pieces", 0, part("b", 9, 0, PartsMax+1, 0, 1), conns(30, 32)},
		{"what was long ago", Lifetime, part("b", 10, 1, 2, 0, 1), conns(0, 1)},
	}
	now := noon
	for _, s := range steps {
		now = now.Add(s.after)
		b.Hear(s.part, now)
		var got []Conn
		for _, c := range b.Of(vipA, now) {
			got = append(got, c.Conn)
		}
		if !slices.Equal(got, s.want) || b.Count(vipA, now) != len(s.want) {
			t.Errorf("%s: %v (%d), want %v", s.why, got, b.Count(vipA, now), s.want)
		}
	}
	if b.Of(vipB, now) != nil || b.Count(vipB, now) != 0 {
		t.Error("clients of a VIP that may not be held here")
	}
	if later := now.Add(Lifetime); len(b.Of(vipA, later)) != 0 || b.Count(vipA, later) != 0 {
		t.Error("a list is good for ever")
	}
}

// Whatever nodes tell, the book is bounded, and what it counts is what it holds.
func TestTheBookIsBounded(t *testing.T) {
	var vips []netip.Addr
	for i := range 200 {
		vips = append(vips, conn(i).Peer.Addr())
	}
	b := NewBook(vips)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		p := part(fmt.Sprintf("n%d", random.IntN(3)), uint64(i), random.IntN(PartsMax), 1+random.IntN(PartsMax), 0, random.IntN(Max+1))
		p.VIP = vips[random.IntN(len(vips))]
		b.Hear(p, noon)
	}
	total := 0
	for vip, p := range b.pages {
		total += p.size()
		if p.size() > knownMax || len(p.pieces) > PartsMax || len(b.Of(vip, noon)) > Max {
			t.Errorf("%s has %d clients in %d pieces", vip, p.size(), len(p.pieces))
		}
	}
	if total != b.total || total > totalMax || total < totalMax/2 {
		t.Errorf("%d clients, counted %d, at most %d", total, b.total, totalMax)
	}
	if b.Full() == 0 {
		t.Error("nothing was refused, so this test shows nothing")
	}
}

// A node that tells of more clients than it may has no more of them known than others have.
func TestAPageIsBounded(t *testing.T) {
	b := NewBook([]netip.Addr{vipA})
	for i := range PartsMax {
		b.Hear(part("a", 1, i, PartsMax, 0, Max), noon)
	}
	if n := b.pages[vipA].size(); n != knownMax || len(b.Of(vipA, noon)) != Max || b.Full() != PartsMax-knownMax/Max {
		t.Errorf("%d clients on the page, %d told, %d parts refused", n, len(b.Of(vipA, noon)), b.Full())
	}
}

// Lists that are no longer good make room.
func TestTheBookIsSwept(t *testing.T) {
	var vips []netip.Addr
	for i := range totalMax/Max + 1 {
		vips = append(vips, conn(i).Peer.Addr())
	}
	b := NewBook(vips)
	for i, vip := range vips {
		now := noon
		if i == len(vips)-1 {
			now = noon.Add(Lifetime)
		}
		p := part("a", 1, 0, 1, 0, Max)
		p.VIP = vip
		b.Hear(p, now)
	}
	if n := b.Count(vips[len(vips)-1], noon.Add(Lifetime)); n != Max || b.Full() != 0 || b.total != Max {
		t.Errorf("%d of the newest, %d refused, %d in all", n, b.Full(), b.total)
	}
}
