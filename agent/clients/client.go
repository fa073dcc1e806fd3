package clients

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

const (
	// Max is how many clients of one VIP are known: as many as memcached takes unless told otherwise.
	Max = 1024
	// RepeatEvery is how often a list is told again that has not changed, for nodes that lost it or never had it.
	RepeatEvery = 30 * time.Second
	// Lifetime is how long a list is good that is not told again: some while longer than several repeats.
	Lifetime = 10 * time.Minute
)

// MAC is an Ethernet address; the zero value is an unknown one.
type MAC [6]byte

// OfOneHost reports whether it can be a host's.
func (m MAC) OfOneHost() bool {
	const group = 1
	return m != MAC{} && m[0]&group == 0
}

// A Conn names one connection of a VIP.
type Conn struct {
	Peer netip.AddrPort // the client's end, never IPv4 in IPv6 form
	Port uint16         // the VIP's end
}

func (c Conn) compare(o Conn) int {
	return cmp.Or(c.Peer.Compare(o.Peer), cmp.Compare(c.Port, o.Port))
}

// A Client is a connection with the MAC that packets for it go to on the VIP's link.
type Client struct {
	Conn
	MAC MAC
}

// A List is who is connected to a VIP, as its holder knows.
type List struct {
	VIP     netip.Addr
	Number  uint64 // grows from each of the holder's lists to the next
	Clients []Client
}

// A Part is a piece of a list, as one packet has it.
type Part struct {
	From    string // the node that holds the VIP
	VIP     netip.Addr
	Number  uint64 // the list's
	Index   int    // which piece
	Count   int    // of so many
	Clients []Client
}

// sorted returns connections in one order, so that equal sets are equal lists.
func sorted(conns []Conn) []Conn {
	slices.SortFunc(conns, Conn.compare)
	return conns
}
