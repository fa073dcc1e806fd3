package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"memvip/agent/clients"
	"memvip/agent/core"
	"memvip/configs"
	"memvip/vip"
)

// town is the surroundings of a clientele: the kernel with its connections, and the other nodes.
type town struct {
	*clientele
	held    []vip.Address
	conns   []clients.Conn // of address A, at its port
	failing error          // of the kernel
	cut     error          // of the way to others
	told    []string
	lists   []clients.List
	looks   int
	slow    time.Duration // a look takes
}

func (w *town) EachConnection(ips []netip.Addr, each func(local, peer netip.AddrPort)) error {
	w.looks++
	pass(w.slow)
	for _, ip := range ips {
		for _, c := range w.conns {
			if ip == addressA.Prefix.Addr() {
				each(netip.AddrPortFrom(ip, c.Port), c.Peer)
			}
		}
	}
	return w.failing
}

func (w *town) NextHops(link string, peers []netip.Addr) (map[netip.Addr]vip.MAC, error) {
	hops := map[netip.Addr]vip.MAC{}
	for _, p := range peers {
		hops[p] = vip.MAC{2, 0, 0, 0, 0, p.As4()[3]}
	}
	return hops, nil
}

func (w *town) SendClients(to string, l clients.List) (int, error) {
	w.told = append(w.told, fmt.Sprintf("%s: %d of %s", to, len(l.Clients), l.VIP))
	w.lists = append(w.lists, l)
	if w.cut != nil {
		return 0, w.cut
	}
	return 1 + len(l.Clients)/300, nil
}

const townText = `
[cluster]
name      = "test"
voters    = { h1 = "10.0.0.11", h2 = "10.0.0.12", w1 = "10.0.0.13" }
nodes     = { h3 = "10.0.0.14" }
witnesses = ["w1"]
key_file  = "key"
[memcached]
address = "127.0.0.1:11211"
[[vip]]
address = "10.0.0.101"
home    = "h1"
[[vip]]
address    = "10.0.0.102"
home       = "h1"
candidates = ["h1", "h3"]
`

// newTown is that of h1, which holds address A.
func newTown(t *testing.T) *town {
	t.Helper()
	config, err := configs.Parse("agent.toml", townText)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{clientele: newClientele(config, "h1", newDiary(nil)), held: []vip.Address{addressA}}
	w.port, w.net = w, w
	w.clientele.held = func() []vip.Address { return w.held }
	return w
}

// come has clients connect, all from hosts of their own.
func (w *town) come(n int) {
	for range n {
		i := len(w.conns)
		at := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		w.conns = append(w.conns, clients.Conn{Peer: netip.AddrPortFrom(at, 40000), Port: 11211})
	}
}

// want compares what was told since the last time.
func (w *town) want(t *testing.T, told ...string) {
	t.Helper()
	if got, want := strings.Join(w.told, "\n"), strings.Join(told, "\n"); got != want {
		t.Errorf("told\n%s\nwant\n%s", got, want)
	}
	w.told = nil
}

// turns has the clientele take its turns for some time.
func (w *town) turns(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		pass(clientsEvery)
		w.turn()
	}
}

// inTown has a test live in simulated time.
func inTown(t *testing.T, test func(t *testing.T, w *town)) {
	synctest.Test(t, func(t *testing.T) { test(t, newTown(t)) })
}

func TestClientsAreToldToWhoMayHoldTheVIP(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		w.come(2)
		w.turns(clientsEvery)
		w.want(t) // perhaps they are only passing by
		w.turns(clientsEvery)
		w.want(t, "h2: 2 of 10.0.0.101", "h3: 2 of 10.0.0.101") // and not w1
		if c := w.lists[0].Clients[1]; c.Peer.String() != "10.1.0.1:40000" || c.Port != 11211 || c.MAC != (clients.MAC{2, 0, 0, 0, 0, 1}) {
			t.Errorf("told of %+v", c)
		}
		w.turns(10 * clientsEvery)
		w.want(t) // nothing is new
		w.come(1)
		w.turns(clientsSeldom + clientsEvery)
		w.want(t, "h2: 3 of 10.0.0.101", "h3: 3 of 10.0.0.101")
		w.conns = w.conns[:1]
		w.turns(10 * clientsEvery)
		w.want(t)
		w.turns(clients.RepeatEvery)
		w.want(t, "h2: 1 of 10.0.0.101", "h3: 1 of 10.0.0.101")
		for i := range w.lists[1:] {
			if w.lists[i].Number > w.lists[i+1].Number {
				t.Errorf("list %d has number %d, the next %d", i, w.lists[i].Number, w.lists[i+1].Number)
			}
		}
	})
}

func TestNothingIsToldOfWhatIsNotHeld(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		w.come(2)
		w.turns(3 * clientsEvery)
		w.told, w.looks, w.held = nil, 0, nil
		w.come(1)
		w.turns(2 * clients.RepeatEvery)
		w.want(t)
		if w.looks != 0 || len(w.trackers) != 0 {
			t.Errorf("%d looks at nothing, %d trackers left", w.looks, len(w.trackers))
		}
		w.held = []vip.Address{addressA}
		w.turns(2 * clientsEvery)
		w.want(t, "h2: 3 of 10.0.0.101", "h3: 3 of 10.0.0.101")
	})
}

// A node that cannot look, or reach others, goes on trying and says so.
func TestClientsInTrouble(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		w.come(2)
		w.failing = errors.New("no such thing in this kernel")
		w.turns(3 * clientsEvery)
		w.want(t)
		w.failing, w.cut = nil, errors.New("no route to host")
		w.turns(2 * clientsEvery)
		w.want(t, "h2: 2 of 10.0.0.101", "h3: 2 of 10.0.0.101")
		if n := w.counts.notTold.Load(); n != 2 {
			t.Errorf("counted %d as not told", n)
		}
		w.cut = nil
		w.turns(clients.RepeatEvery)
		w.want(t, "h2: 2 of 10.0.0.101", "h3: 2 of 10.0.0.101")
		counted := map[string]int{}
		w.addCounts(counted)
		if counted["client_lists_told"] != 2 || counted["client_lists_not_told"] != 2 {
			t.Errorf("counted %v", counted)
		}
	})
}

// A kernel that cannot say who is connected is not asked again.
func TestNoClientsToBeFound(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		w.failing = fmt.Errorf("vip: list connections: %w", vip.ErrNoSocketDestroy)
		w.run(t.Context())
		if w.looks != 1 {
			t.Errorf("%d looks", w.looks)
		}
	})
}

func TestALongLookIsRare(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		w.slow = 100 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w.run(ctx)
		if most := int(time.Hour / (clientsShare * w.slow)); w.looks > most+1 || w.looks < most*9/10 {
			t.Errorf("%d looks of %s in an hour, want some %d", w.looks, w.slow, most)
		}
	})
}

// While nobody comes looks are rare; who comes is told as soon as two looks have seen them, and so are the clients of an address
// that comes up.
func TestLooksAreRareWhileNobodyComes(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		looks := func(d time.Duration) int {
			before := w.looks
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			w.run(ctx)
			w.told = nil // of repeats there may be some
			return w.looks - before
		}
		w.come(2)
		if n := looks(5 * clientsEvery); n < 4 {
			t.Errorf("%d looks while clients had just come", n)
		}
		looks(2 * clientsSeldom)
		if n := looks(20 * clientsSeldom); n < 19 || n > 21 {
			t.Errorf("%d looks while nobody came, want 20", n)
		}
		known := func() int {
			n := 0
			for _, tracker := range w.trackers {
				list, _ := tracker.List()
				n += len(list)
			}
			return n
		}
		w.come(1)
		looks(clientsSeldom + 2*clientsEvery)
		if known() != 3 {
			t.Errorf("%d clients are known after two looks, want 3", known())
		}
		looks(3 * clientsSeldom)
		w.held = nil
		looks(2 * clientsEvery)
		w.held = []vip.Address{addressA}
		w.cameUp()
		if n := looks(3*clientsEvery + clientsEvery/2); n != 3 || known() != 3 {
			t.Errorf("%d looks at an address that came up, %d clients known, want 3 of both", n, known())
		}
		w.failing = errors.New("no such thing at this moment")
		looks(3 * clientsSeldom)
		if n := looks(5 * clientsEvery); n < 4 {
			t.Errorf("%d looks while none comes to anything", n)
		}
	})
}

func TestTooManyClients(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		w.come(clients.Max + 100)
		w.turns(20 * clientsEvery)
		w.want(t, fmt.Sprintf("h2: %d of 10.0.0.101", clients.Max), fmt.Sprintf("h3: %d of 10.0.0.101", clients.Max))
		if n := w.counts.cut.Load(); n != 1 {
			t.Errorf("counted %d lists as cut, want 1", n)
		}
	})
}

// However many nodes there are, one tells no more at a time than it may, and gets round.
func TestManyAreToldInTurns(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		const nodes = 300
		readers := map[netip.Addr][]string{}
		for i := range nodes {
			readers[addressA.Prefix.Addr()] = append(readers[addressA.Prefix.Addr()], fmt.Sprintf("n%03d", i))
		}
		w.post = clients.NewPost(readers)
		w.come(10)
		w.turns(clientsEvery)
		told := map[string]bool{}
		for len(told) < nodes {
			w.turns(clientsEvery)
			if len(w.told) > clientPackets || len(w.told) == 0 {
				t.Fatalf("%d told at a time, after %d", len(w.told), len(told))
			}
			for _, to := range w.told {
				told[to] = true
			}
			w.told = nil
		}
	})
}

func partOf(from string, ip netip.Addr, port uint16) clients.Part {
	return clients.Part{From: from, VIP: ip, Number: 1, Count: 1, Clients: []clients.Client{
		{Conn: clients.Conn{Peer: netip.MustParseAddrPort("10.1.0.9:4"), Port: port}, MAC: clients.MAC{2}},
	}}
}

func TestWhatOthersTellIsKnown(t *testing.T) {
	inTown(t, func(t *testing.T, w *town) {
		a, b := addressA.Prefix.Addr(), addressB.Prefix.Addr()
		w.come(2)
		w.turns(2 * clientsEvery)
		w.hear(partOf("h2", a, 1)) // held here: it is out of date
		w.hear(partOf("h2", b, 2))
		places := map[core.Name]vip.Address{vipA: addressA, vipB: addressB}
		if got := fmt.Sprint(w.known(places)); got != "map[10.0.0.101:2 10.0.0.102:1]" {
			t.Errorf("knows %s", got)
		}
		want := vip.Client{Peer: netip.MustParseAddrPort("10.1.0.9:4"), Port: 2, MAC: vip.MAC{2}}
		if got := w.former(b); len(got) != 1 || got[0] != want {
			t.Errorf("recalls %v, want %v", got, want)
		}
		w.held = nil // lost with the lease, and taken again
		w.turns(clientsEvery)
		if got := w.former(a); len(got) != 2 {
			t.Errorf("own clients are forgotten: %v", got)
		}
		w.hear(partOf("h2", a, 1))
		if got := w.former(a); len(got) != 1 || w.counts.heard.Load() != 2 {
			t.Errorf("the next holder's are not known: %v", got)
		}
	})
}
