package vip

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"
)

// A MAC is an Ethernet address; the zero value is an unknown one.
type MAC [ethernetAddressBytes]byte

// A Client is one TCP connection of a service address, by its other end.
type Client struct {
	Peer netip.AddrPort // its end, never IPv4 in IPv6 form
	Port uint16         // the service address's end
	MAC  MAC            // where packets for it go on the service address's link: its own, or that of the router before it
}

// lookupsMax bounds the questions for the way to peers that are no neighbours. Most come through the same few
// routers, and those are what is looked for.
const lookupsMax = 64

// What is kept in mind of a look at connections, for DropSeen.
const (
	// DropSeen resets the connections of one address whose clients spoke last, since they may wait for an answer. Each takes the
	// kernel 5 to 15 us, and everybody waits for the next holder meanwhile, who recalls the others. So it resets resetMax, or more
	// if the clients of more had spoken within busyWithin before the look, but no more than busyMax. Of those that are gone, which
	// cost next to nothing, others take the place.
	resetMax   = 64
	busyMax    = 256
	busyWithin = 100 * time.Millisecond
	// seenFor is how long a look is good for: twice the longest pause between two.
	seenFor = 5 * time.Minute
)

// A sighting is what the last look saw of an address, or that it was taken since.
type sighting struct {
	at      time.Time // when the look began, or the address was about to go up
	sockets []socket  // busyMax of them at most, those first whose clients had spoken last
	busy    int       // how many of them had within busyWithin
	taken   bool
}

// A connection is one established TCP connection, as a look sees it.
type connection struct {
	socket
	local, peer netip.AddrPort
	quiet       time.Duration // since the peer sent the last data
}

// busiest are those busyMax connections of one address whose peers spoke last.
type busiest struct {
	list  []spoken
	bound time.Duration // who has been quiet for longer is not among them
}

type spoken struct {
	socket
	quiet time.Duration
}

func (l *busiest) add(c connection) {
	if c.quiet > l.bound {
		return
	}
	if l.list = append(l.list, spoken{c.socket, c.quiet}); len(l.list) == 2*busyMax {
		l.cut()
	}
}

func (l *busiest) cut() {
	slices.SortFunc(l.list, func(a, b spoken) int { return cmp.Compare(a.quiet, b.quiet) })
	if len(l.list) > busyMax {
		l.list = l.list[:busyMax]
		l.bound = l.list[busyMax-1].quiet
	}
}

// sighting is what a look that began at an instant saw of the address.
func (l *busiest) sighting(at time.Time) sighting {
	l.cut()
	s := sighting{at: at, sockets: make([]socket, 0, len(l.list))}
	for _, c := range l.list {
		s.sockets = append(s.sockets, c.socket)
		if c.quiet <= busyWithin {
			s.busy++
		}
	}
	return s
}

// EachConnection calls each with both ends of every established TCP connection of those local addresses, in no
// order, and perhaps with one twice. DropSeen goes by what it saw last. It walks the kernel's whole table of sockets,
// in some 0.5 ms if that is empty and 1 to 2 us more for each connection that it finds, and holds up no other call of
// the Manager. With ErrNoSocketDestroy the kernel cannot show its sockets.
func (m *Manager) EachConnection(ips []netip.Addr, each func(local, peer netip.AddrPort)) error {
	end, err := m.begin()
	if err != nil {
		return fmt.Errorf("vip: list connections: %w", err)
	}
	defer end()
	begun, seen := time.Now(), map[netip.Addr]*busiest{}
	for _, ip := range ips {
		seen[ip] = &busiest{bound: math.MaxInt64}
	}
	for some := range slices.Chunk(ips, conditionsMax) {
		err := m.kernel.connections(some, func(c connection) {
			seen[c.local.Addr()].add(c)
			each(c.local, c.peer)
		})
		if err != nil {
			return fmt.Errorf("vip: list connections: %w", err)
		}
	}
	for _, ip := range ips {
		m.see(ip, seen[ip].sighting(begun))
	}
	return nil
}

// see keeps a sighting, but for that of a look which began before another, or before the address was taken.
func (m *Manager) see(ip netip.Addr, s sighting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.taken || s.at.After(m.seen[ip].at) {
		m.seen[ip] = s
	}
}

// lastSeen returns what the last look saw of an address, and whether there was one since it was taken, and of late.
func (m *Manager) lastSeen(ip netip.Addr) (s sighting, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s = m.seen[ip]
	return s, !s.taken && time.Since(s.at) <= seenFor
}

// NextHops returns where packets for peers go on a link: the peer's own MAC or that of the router before it. Peers
// that the kernel knows no way to, or none on this link, are left out, as are some where there are very many.
func (m *Manager) NextHops(link string, peers []netip.Addr) (map[netip.Addr]MAC, error) {
	end, err := m.begin()
	if err != nil {
		return nil, fmt.Errorf("vip: find the way to clients on %s: %w", link, err)
	}
	defer end()
	hops, err := m.nextHops(link, peers)
	if err != nil {
		return nil, fmt.Errorf("vip: find the way to clients on %s: %w", link, err)
	}
	return hops, nil
}

func (m *Manager) nextHops(name string, peers []netip.Addr) (map[netip.Addr]MAC, error) {
	link, err := m.kernel.link(name)
	if err != nil {
		return nil, err
	}
	neighbours, err := m.kernel.neighbours(link.Index)
	if err != nil {
		return nil, err
	}
	hops, lookups := map[netip.Addr]MAC{}, 0
	for _, peer := range peers {
		if _, done := hops[peer]; done {
			continue
		}
		mac, near := neighbours[peer]
		if !near && lookups < lookupsMax {
			lookups++
			if router, err := m.kernel.router(link.Index, peer); err == nil { // else there is no way, which is no fault of ours
				mac = neighbours[router]
			}
		}
		if mac.ofOneHost() {
			hops[peer] = mac
		}
	}
	return hops, nil
}

// ofOneHost reports whether a frame can be meant for it alone.
func (m MAC) ofOneHost() bool {
	const group = 1
	return m != MAC{} && m[0]&group == 0
}
