package gossip

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Sealed is what came from a configured peer's address and this cluster's key did not open. It is no proof that the
// peer sent it, and no decision rests on it: it is how a host with another key shows.
type Sealed struct {
	Packets uint64        // since Start
	Ago     time.Duration // since the newest
}

// sealed counts such packets, by the peer's address. The map never changes.
type sealed map[netip.Addr]*sealedFrom

type sealedFrom struct {
	node    string
	packets atomic.Uint64
	newest  atomic.Int64 // time since epoch
}

// epoch has a monotonic clock's reading, so that a step of the wall clock makes nothing look old or new.
var epoch = time.Now()

func newSealed(peers map[string]netip.Addr) sealed {
	s := make(sealed, len(peers))
	for name, addr := range peers {
		s[addr] = &sealedFrom{node: name}
	}
	return s
}

// note counts a packet that was dropped, if it was for its seal.
func (s sealed) note(from netip.Addr, err error) {
	if p := s[from]; p != nil && ReasonOf(err) == DropUndecryptable {
		p.newest.Store(int64(time.Since(epoch)))
		p.packets.Add(1)
	}
}

// Sealed returns what of each peer could not be opened, by name; peers without any are left out.
func (g *Gossip) Sealed() map[string]Sealed {
	out := map[string]Sealed{}
	for _, p := range g.transport.sealed {
		if n := p.packets.Load(); n > 0 {
			out[p.node] = Sealed{Packets: n, Ago: time.Since(epoch) - time.Duration(p.newest.Load())}
		}
	}
	return out
}
