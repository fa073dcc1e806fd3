package gossip

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"memvip/agent/clients"
	"memvip/agent/core"
)

// listOf is a list of n clients that all differ in what makes a list long: many hosts with a MAC each, many
// connections of few hosts, or both in turns.
func listOf(n int, vip string, client func(i int) clients.Client) clients.List {
	l := clients.List{VIP: netip.MustParseAddr(vip), Number: 1<<63 + 7}
	for i := range n {
		l.Clients = append(l.Clients, client(i))
	}
	return l
}

func clientAt(addr netip.Addr, port, local int, mac clients.MAC) clients.Client {
	return clients.Client{Conn: clients.Conn{Peer: netip.AddrPortFrom(addr, uint16(port)), Port: uint16(local)}, MAC: mac}
}

func addr4(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }

func addr6(i int) netip.Addr {
	a := netip.MustParseAddr("fd00::").As16()
	a[7], a[14], a[15] = 0xff, byte(i>>8), byte(i)
	return netip.AddrFrom16(a)
}

func mac(i int) clients.MAC { return clients.MAC{2, 0xff, 0xff, 0xff, byte(i >> 8), byte(i)} }

// lists are some of each shape that there is.
func lists() map[string]clients.List {
	return map[string]clients.List{
		"none":      listOf(0, "10.0.0.101", nil),
		"one":       listOf(1, "10.0.0.101", func(int) clients.Client { return clientAt(addr4(1), 65535, 11211, clients.MAC{}) }),
		"few hosts": listOf(clients.Max, "10.0.0.101", func(i int) clients.Client { return clientAt(addr4(i/300), 65535-i, 11211, mac(7)) }),
		"many hosts, a router": listOf(clients.Max, "10.0.0.101", func(i int) clients.Client {
			return clientAt(addr4(i), 40000, 11211, mac(7))
		}),
		"many neighbours": listOf(clients.Max, "10.0.0.101", func(i int) clients.Client {
			return clientAt(addr4(i), 40000, 11211, mac(i))
		}),
		"many neighbours, IPv6": listOf(clients.Max, "fd00::101", func(i int) clients.Client {
			return clientAt(addr6(i), 40000, 65535, mac(i))
		}),
		"ports in turns": listOf(clients.Max, "10.0.0.101", func(i int) clients.Client {
			return clientAt(addr4(i/4), 300+i, 11211+i%2, mac(i%3))
		}),
		"small ports": listOf(clients.Max, "10.0.0.101", func(i int) clients.Client { return clientAt(addr4(1), 1+i%20, 7, mac(7)) }),
	}
}

// Whatever a list is like, its frames are no longer than they may be, nor shorter than they need be, and bring all of it.
func TestClientsFitIntoPackets(t *testing.T) {
	longest := strings.Repeat("n", maxText) // as the sender's name, the reader's and the cluster's, they leave 845 bytes
	for name, l := range lists() {
		for _, c := range []struct {
			from  string
			limit int
		}{{"a", 1300}, {longest, 845}} {
			t.Run(fmt.Sprintf("%s/%d", name, c.limit), func(t *testing.T) {
				frames := clientFrames(c.from, l, c.limit)
				var got []clients.Client
				for i, frame := range frames {
					if len(frame) > c.limit {
						t.Errorf("frame %d has %d bytes, at most %d", i, len(frame), c.limit)
					}
					p, err := decodeClients(frame)
					if err != nil {
						t.Fatal(err)
					}
					if want := (clients.Part{From: c.from, VIP: l.VIP, Number: l.Number, Index: i, Count: len(frames), Clients: p.Clients}); !reflect.DeepEqual(p, want) {
						t.Errorf("part %d is %+v, want %+v", i, p, want)
					}
					got = append(got, p.Clients...)
					if i < len(frames)-1 && name != "small ports" && len(frame) < c.limit/2-clientHostMax {
						t.Errorf("frame %d has only %d bytes of %d", i, len(frame), c.limit)
					}
				}
				if !slices.Equal(l.Clients, got) {
					t.Errorf("%d clients became %d others in %d frames", len(l.Clients), len(got), len(frames))
				}
			})
		}
	}
}

// A packet of a list is one datagram on any Ethernet.
func TestClientsAreTold(t *testing.T) {
	port := freePort(t)
	all := []string{"a", "b", "c"}
	parts := make(chan clients.Part, 100)
	o := options(port, "b", all...)
	o.OnClients = func(p clients.Part) { parts <- p }
	a, b, c := begin(t, options(port, "a", all...)), begin(t, o), begin(t, options(port, "c", all...))
	l := lists()["many neighbours, IPv6"]
	sent, err := a.SendClients("b", l)
	if err != nil {
		t.Fatal(err)
	}
	heard := 0
	for range sent {
		p := <-parts
		if p.From != "a" || p.VIP != l.VIP || p.Count != sent {
			t.Fatalf("heard %+v", p)
		}
		heard += len(p.Clients)
	}
	if heard != clients.Max {
		t.Errorf("b heard of %d clients, want %d", heard, clients.Max)
	}
	if _, err := a.SendClients("c", l); err != nil { // where nobody wants to know
		t.Error(err)
	}
	delivers(t, a, c)
	for _, n := range []*node{b, c} {
		if s := n.Stats(); len(s.Dropped) != 0 {
			t.Errorf("%s dropped %v", n.opts.Node, s.Dropped)
		}
	}
	if _, err := a.SendClients("x", l); err == nil {
		t.Error("a list was sent to a stranger")
	}
}

// What a part must not say, with the reason under which it is counted.
func TestClientsRefused(t *testing.T) {
	good := func() wireClients {
		return wireClients{
			From: "a", VIP: []byte{10, 0, 0, 101}, Number: 1, Count: 1, MACs: [][]byte{{2, 0, 0, 0, 0, 7}},
			Hosts: []wireClientHost{{Addr: []byte{10, 0, 0, 7}, MAC: 1, Port: 11211, Ports: []uint16{40000}}},
		}
	}
	encoded := func(w wireClients) []byte {
		return append([]byte{wireVersion, byte(kindClients)}, must(encMode.Marshal(w))...)
	}
	if _, err := decodeClients(encoded(good())); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*wireClients)
		want  DropReason
	}{
		"no VIP":               {func(w *wireClients) { w.VIP = nil }, DropBadValue},
		"half a VIP":           {func(w *wireClients) { w.VIP = w.VIP[:3] }, DropBadValue},
		"a group for a VIP":    {func(w *wireClients) { w.VIP = []byte{224, 0, 0, 1} }, DropBadValue},
		"IPv4 as IPv6":         {func(w *wireClients) { a := netip.MustParseAddr("::ffff:10.0.0.7").As16(); w.VIP = a[:] }, DropBadValue},
		"no parts":             {func(w *wireClients) { w.Count = 0 }, DropBadValue},
		"too many parts":       {func(w *wireClients) { w.Count = clients.PartsMax + 1 }, DropBadValue},
		"a part beyond":        {func(w *wireClients) { w.Index = 1 }, DropBadValue},
		"a part before":        {func(w *wireClients) { w.Index = -1 }, DropBadValue},
		"a long name":          {func(w *wireClients) { w.From = strings.Repeat("n", maxText+1) }, DropTooLong},
		"a client of loopback": {func(w *wireClients) { w.Hosts[0].Addr = []byte{127, 0, 0, 1} }, DropBadValue},
		"a client everywhere":  {func(w *wireClients) { w.Hosts[0].Addr = []byte{0, 0, 0, 0} }, DropBadValue},
		"another family":       {func(w *wireClients) { w.Hosts[0].Addr = addr6(7).AsSlice() }, DropBadValue},
		"no port":              {func(w *wireClients) { w.Hosts[0].Ports[0] = 0 }, DropBadValue},
		"no port of the VIP":   {func(w *wireClients) { w.Hosts[0].Port = 0 }, DropBadValue},
		"a MAC beyond":         {func(w *wireClients) { w.Hosts[0].MAC = 2 }, DropBadValue},
		"a MAC before":         {func(w *wireClients) { w.Hosts[0].MAC = -1 }, DropBadValue},
		"a group's MAC":        {func(w *wireClients) { w.MACs[0][0] = 3 }, DropBadValue},
		"half a MAC":           {func(w *wireClients) { w.MACs[0] = w.MACs[0][:5] }, DropBadValue},
		"too long a MAC":       {func(w *wireClients) { w.MACs[0] = make([]byte, 8) }, DropBadValue},
		"too many hosts":       {func(w *wireClients) { w.Hosts = make([]wireClientHost, maxEntries+1) }, DropTooMany},
		"too many ports":       {func(w *wireClients) { w.Hosts[0].Ports = make([]uint16, maxEntries+1) }, DropTooMany},
		"too many clients": {func(w *wireClients) {
			h := w.Hosts[0]
			h.Ports = nil
			for i := range maxEntries {
				h.Ports = append(h.Ports, uint16(i+1))
			}
			w.Hosts = []wireClientHost{h, h, h, h, h}
		}, DropTooMany},
	} {
		w := good()
		c.spoil(&w)
		if p, err := decodeClients(encoded(w)); ReasonOf(err) != c.want {
			t.Errorf("%s: %+v, %v; want %s", name, p, err, c.want)
		}
	}
	long := append(encoded(good()), make([]byte, maxFrame)...)
	for name, c := range map[string]struct {
		frame []byte
		want  DropReason
	}{
		"too long":  {long, DropOversize},
		"trailing":  {append(encoded(good()), 0), DropTrailing},
		"cut short": {encoded(good())[:20], DropShort},
	} {
		if _, err := decodeClients(c.frame); ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// Lists pass as other messages do: from configured nodes, to the node that they name, once.
func TestClientsOfStrangers(t *testing.T) {
	var heard []clients.Part
	o := options(freePort(t), "b", "a", "b")
	o.OnClients = func(p clients.Part) { heard = append(heard, p) }
	b := begin(t, o)
	frame := func(from string) []byte { return clientFrames(from, lists()["one"], 1000)[0] }
	b.receive("", seal("b", frame("x")))
	b.receive("", seal("c", frame("a")))
	b.receive("", seal("", frame("a")))
	b.receive("", seal("b", frame("b"))) // its own name is no peer's
	b.receive("", seal("b", frame("a")[:9]))
	if s := b.Stats().Dropped; s[DropUnknownNode] != 2 || s[DropMisdirected] != 2 || s[DropShort] != 1 || len(heard) != 0 {
		t.Errorf("dropped %v, heard %v", s, heard)
	}
	b.receive("", seal("b", frame("a")))
	if len(heard) != 1 {
		t.Errorf("heard %v", heard)
	}
	b.end(t)
	b.receive("", seal("b", frame("a")))
	if len(heard) != 1 {
		t.Error("heard of it after the end")
	}
}

// No two kinds are one, and the machine's decoder leaves lists of clients alone.
func TestClientsAreNoMessage(t *testing.T) {
	if _, err := Decode(clientFrames("a", lists()["one"], 1000)[0]); ReasonOf(err) != DropKind {
		t.Errorf("%v, want %s", err, DropKind)
	}
	for _, zero := range anyOf(messageTypes) {
		if isClients(encodeAny(t, zero)) {
			t.Errorf("%T is taken for a list of clients", zero)
		}
	}
	if isClients(encodeAny(t, core.NodeState{})) {
		t.Error("a state is taken for a list of clients")
	}
}

func FuzzDecodeClients(f *testing.F) {
	f.Fuzz(func(t *testing.T, frame []byte) {
		if !isClients(frame) {
			return
		}
		p, err := decodeClients(frame)
		if err != nil {
			if ReasonOf(err) == NotDropped {
				t.Fatalf("%v has no reason", err)
			}
			return
		}
		if len(p.Clients) > clients.Max {
			t.Fatalf("%d clients in one part", len(p.Clients))
		}
		l := clients.List{VIP: p.VIP, Number: p.Number, Clients: p.Clients}
		var again []clients.Client
		for _, frame := range clientFrames(p.From, l, 1300) {
			part, err := decodeClients(frame)
			if err != nil {
				t.Fatalf("encoded again: %v", err)
			}
			again = append(again, part.Clients...)
		}
		if !slices.Equal(p.Clients, again) {
			t.Errorf("decoded, encoded and decoded again %v is %v", p.Clients, again)
		}
	})
}

func BenchmarkClients(b *testing.B) {
	l := lists()["few hosts"]
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clientFrames("a", l, 1300)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		frame := clientFrames("a", l, 1300)[0]
		for b.Loop() {
			if _, err := decodeClients(frame); err != nil {
				b.Fatal(err)
			}
		}
	})
}
