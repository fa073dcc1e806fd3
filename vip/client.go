package vip

import (
	"cmp"
	"fmt"
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
	// resetMax bounds the connections of one address that DropSeen resets: those whose clients spoke last, who may wait for an
	// answer. Each takes the kernel 5 to 15 us, and everybody waits for the next holder meanwhile, who recalls the others.
	resetMax = batchMax
	// seenFor is how long a look is good for.
	seenFor = 10 * time.Second
)

// A sighting is what the last look saw of an address, or that it was taken since.
type sighting struct {
	at      time.Time // when the look began, or the address was about to go up
	sockets []socket  // resetMax of them at most
	taken   bool
}

// A connection is one established TCP connection, as a look sees it.
type connection struct {
	socket
	local, peer netip.AddrPort
	quiet       time.Duration // since the peer sent the last data
}

// busiest are those resetMax connections of one address whose peers spoke last.
type busiest []connection

func (l *busiest) add(c connection) {
	if *l = append(*l, c); len(*l) == 2*resetMax {
		l.cut()
	}
}

func (l *busiest) cut() {
	slices.SortFunc(*l, func(a, b connection) int { return cmp.Compare(a.quiet, b.quiet) })
	*l = (*l)[:min(len(*l), resetMax)]
}

func (l *busiest) sockets() []socket {
	if l == nil {
		return nil
	}
	l.cut()
	list := make([]socket, len(*l))
	for i, c := range *l {
		list[i] = c.socket
	}
	return list
}

// EachConnection calls each with both ends of every established TCP connection of those local addresses, in no
// order, and perhaps with one twice. DropSeen goes by what it saw last. It walks the kernel's whole table of sockets,
// in some 0.5 ms if that is empty and about 1 us more for each connection that it finds, and holds up no other call of
// the Manager. With ErrNoSocketDestroy the kernel cannot show its sockets.
func (m *Manager) EachConnection(ips []netip.Addr, each func(local, peer netip.AddrPort)) error {
	end, err := m.begin()
	if err != nil {
		return fmt.Errorf("vip: list connections: %w", err)
	}
	defer end()
	begun, seen := time.Now(), map[netip.Addr]*busiest{}
	for some := range slices.Chunk(ips, conditionsMax) {
		err := m.kernel.connections(some, func(c connection) {
			l := seen[c.local.Addr()]
			if l == nil {
				l = &busiest{}
				seen[c.local.Addr()] = l
			}
			l.add(c)
			each(c.local, c.peer)
		})
		if err != nil {
			return fmt.Errorf("vip: list connections: %w", err)
		}
	}
	for _, ip := range ips {
		m.see(ip, sighting{at: begun, sockets: seen[ip].sockets()})
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

// lastSeen returns connections of an address by the last look since it was taken, and whether there was one of late.
func (m *Manager) lastSeen(ip netip.Addr) (list []socket, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.seen[ip]
	return s.sockets, !s.taken && time.Since(s.at) <= seenFor
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
