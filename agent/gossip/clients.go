package gossip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"memvip/agent/clients"
)

// Who is connected to a VIP is told by its holder to the nodes that may hold it next, in as many frames as that takes,
// each small enough for one packet that no router cuts up. They are no messages of core: none is answered, nothing rests on
// them, and whoever does not know their kind drops them.

// kindClients leaves numbers for what core may come to say.
const kindClients kind = 16

// wireClients is one part of a list. A host's connections stand together, and MACs, which are mostly a few routers', once.
type wireClients struct {
	From   string           `cbor:"1,keyasint,omitempty"`
	VIP    []byte           `cbor:"2,keyasint,omitempty"`
	Number uint64           `cbor:"3,keyasint,omitempty"`
	Index  int              `cbor:"4,keyasint,omitempty"`
	Count  int              `cbor:"5,keyasint,omitempty"`
	MACs   [][]byte         `cbor:"6,keyasint,omitempty"`
	Hosts  []wireClientHost `cbor:"7,keyasint,omitempty"`
}

type wireClientHost struct {
	Addr  []byte   `cbor:"1,keyasint,omitempty"`
	MAC   int      `cbor:"2,keyasint,omitempty"` // which of MACs, counted from 1; 0: unknown
	Port  uint16   `cbor:"3,keyasint,omitempty"` // the VIP's
	Ports []uint16 `cbor:"4,keyasint,omitempty"` // its own
}

// What parts of a frame take at most, in bytes; TestClientsFitIntoPackets holds it against the encoder.
const (
	clientsHeadMax = 64 // and the sender's name
	clientHostMax  = 20 // and the address
	clientMACMax   = 7
	clientPortMax  = 3
)

// SendClients tells a node who is connected to a VIP, and returns how many packets that took. It never waits. An error
// means that not all of them left.
func (g *Gossip) SendClients(to string, l clients.List) (packets int, err error) {
	if _, ok := g.opts.Peers[to]; !ok {
		return 0, fmt.Errorf("gossip: send clients of %s to %s: not a configured peer", l.VIP, to)
	}
	var errs []error
	for _, frame := range clientFrames(g.opts.Node, l, g.stateLimit-1-len(to)) {
		if err := g.list.SendToAddress(g.address(to), seal(to, frame)); err != nil {
			g.tally.sendFailed.Add(1)
			errs = append(errs, err)
			continue
		}
		packets++
	}
	if err := errors.Join(errs...); err != nil {
		return packets, fmt.Errorf("gossip: send clients of %s to %s: %w", l.VIP, to, err)
	}
	return packets, nil
}

// clientFrames returns a list's frames, none longer than limit. One of a list without clients says just that.
func clientFrames(from string, l clients.List, limit int) [][]byte {
	parts := []*clientPart{newClientPart(from, l, limit)}
	for _, c := range l.Clients {
		if !parts[len(parts)-1].add(c) {
			parts = append(parts, newClientPart(from, l, limit))
			parts[len(parts)-1].add(c)
		}
	}
	parts = parts[:min(len(parts), clients.PartsMax)]
	frames := make([][]byte, len(parts))
	for i, p := range parts {
		p.wire.Index, p.wire.Count = i, len(parts)
		frames[i] = append([]byte{wireVersion, byte(kindClients)}, must(encMode.Marshal(p.wire))...)
	}
	return frames
}

// clientPart is a part in the making.
type clientPart struct {
	wire wireClients
	macs map[clients.MAC]int // where each is in the part
	room int                 // bytes left, at least
	last clients.Client
}

func newClientPart(from string, l clients.List, limit int) *clientPart {
	return &clientPart{
		wire: wireClients{From: from, VIP: l.VIP.AsSlice(), Number: l.Number},
		macs: map[clients.MAC]int{{}: 0},
		room: limit - clientsHeadMax - len(from),
	}
}

// add puts a client into the part, and reports whether there was room for it.
func (p *clientPart) add(c clients.Client) bool {
	size := clientPortMax
	same := len(p.wire.Hosts) > 0 && c.Peer.Addr() == p.last.Peer.Addr() && c.Port == p.last.Port && c.MAC == p.last.MAC &&
		len(p.wire.Hosts[len(p.wire.Hosts)-1].Ports) < maxEntries
	if !same {
		size += clientHostMax + c.Peer.Addr().BitLen()/8
	}
	mac, known := p.macs[c.MAC]
	if !known {
		size += clientMACMax
	}
	if p.room < size || !same && len(p.wire.Hosts) == maxEntries {
		return false
	}
	p.room -= size
	if !known {
		p.wire.MACs = append(p.wire.MACs, slices.Clone(c.MAC[:]))
		mac = len(p.wire.MACs)
		p.macs[c.MAC] = mac
	}
	if !same {
		p.wire.Hosts = append(p.wire.Hosts, wireClientHost{Addr: c.Peer.Addr().AsSlice(), MAC: mac, Port: c.Port})
	}
	host := &p.wire.Hosts[len(p.wire.Hosts)-1]
	host.Ports = append(host.Ports, c.Peer.Port())
	p.last = c
	return true
}

// isClients reports whether a frame is a part of a list of clients.
func isClients(frame []byte) bool {
	return len(frame) > 2 && frame[0] == wireVersion && kind(frame[1]) == kindClients
}

// decodeClients returns the part in a frame for which isClients holds. Every error is a *DropError.
func decodeClients(frame []byte) (clients.Part, error) {
	if len(frame) > maxFrame {
		return clients.Part{}, drop(DropOversize, "decode clients: %d bytes, at most %d", len(frame), maxFrame)
	}
	var w wireClients
	if err := decMode.Unmarshal(frame[2:], &w); err != nil {
		return clients.Part{}, &DropError{Reason: cborReason(err), Err: fmt.Errorf("decode clients: %w", err)}
	}
	if len(w.From) > maxText {
		return clients.Part{}, drop(DropTooLong, "decode clients: a name of %d bytes, at most %d", len(w.From), maxText)
	}
	vip, err := oneHost(w.VIP)
	if err != nil {
		return clients.Part{}, err
	}
	if w.Count < 1 || w.Count > clients.PartsMax || w.Index < 0 || w.Index >= w.Count {
		return clients.Part{}, drop(DropBadValue, "decode clients: part %d of %d", w.Index, w.Count)
	}
	p := clients.Part{From: w.From, VIP: vip, Number: w.Number, Index: w.Index, Count: w.Count}
	for _, h := range w.Hosts {
		if p.Clients, err = w.appendHost(p.Clients, h); err != nil {
			return clients.Part{}, err
		}
	}
	return p, nil
}

// appendHost appends the clients of one host.
func (w *wireClients) appendHost(list []clients.Client, h wireClientHost) ([]clients.Client, error) {
	addr, err := oneHost(h.Addr)
	if err != nil {
		return nil, err
	}
	var mac clients.MAC
	switch {
	case len(h.Addr) != len(w.VIP), h.Port == 0, h.MAC < 0, h.MAC > len(w.MACs):
		return nil, drop(DropBadValue, "decode clients: %s, port %d, MAC %d of %d", addr, h.Port, h.MAC, len(w.MACs))
	case len(list)+len(h.Ports) > clients.Max:
		return nil, drop(DropTooMany, "decode clients: more than %d", clients.Max)
	case h.MAC > 0:
		if n := copy(mac[:], w.MACs[h.MAC-1]); n != len(w.MACs[h.MAC-1]) || n != len(mac) || !mac.OfOneHost() {
			return nil, drop(DropBadValue, "decode clients: MAC %x", w.MACs[h.MAC-1])
		}
	}
	for _, port := range h.Ports {
		if port == 0 {
			return nil, drop(DropBadValue, "decode clients: a client at port 0")
		}
		list = append(list, clients.Client{Conn: clients.Conn{Peer: netip.AddrPortFrom(addr, port), Port: h.Port}, MAC: mac})
	}
	return list, nil
}

// oneHost is the address of a host that may be elsewhere.
func oneHost(b []byte) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return netip.Addr{}, drop(DropBadValue, "decode clients: %x is not the address of one host", b)
	}
	return a, nil
}

// heardClients takes in a frame for which isClients holds.
func (g *Gossip) heardClients(to string, frame []byte) {
	p, err := decodeClients(frame)
	if err != nil {
		g.tally.drop(err)
		return
	}
	_, known := g.opts.Peers[p.From]
	switch {
	case to != g.opts.Node:
		g.tally.dropped[DropMisdirected].Add(1)
		return
	case !known:
		g.tally.dropped[DropUnknownNode].Add(1)
		return
	case g.opts.OnClients == nil:
		return
	}
	g.callbacks.RLock()
	defer g.callbacks.RUnlock()
	if !g.closed {
		g.opts.OnClients(p)
	}
}
