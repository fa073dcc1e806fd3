package clients

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// PartsMax bounds the pieces of a list. One of Max clients needs two to twenty, and more where names are very long.
	PartsMax = 128
	// totalMax bounds the clients of all VIPs together, at some 40 bytes each.
	totalMax = 1 << 16
	// doubtAfter is when a list gives way to one with a smaller number: its sender's numbers have begun anew.
	doubtAfter = 2 * RepeatEvery
)

// A Book has the newest list of each VIP, from whichever node told it last. It keeps a list piece by piece: what one
// packet brings counts at once, and of pieces that are lost the former ones do. It may be used from several goroutines.
type Book struct {
	mu    sync.Mutex
	pages map[netip.Addr]*page // of every VIP that may be held here
	total int                  // clients on all of them
	full  uint64               // parts that there was no room for
}

// page is one VIP's.
type page struct {
	from   string
	number uint64
	at     time.Time // when it was told last
	pieces [][]Client
}

// NewBook returns an empty Book for these VIPs. It takes nothing of any other.
func NewBook(vips []netip.Addr) *Book {
	b := &Book{pages: map[netip.Addr]*page{}}
	for _, vip := range vips {
		b.pages[vip] = &page{}
	}
	return b
}

// Hear takes in a part, unless it is of a list that is older than what is known from the same node.
func (b *Book) Hear(part Part, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[part.VIP]
	switch {
	case p == nil || part.Index < 0 || part.Index >= part.Count || part.Count > PartsMax:
		return
	case p.from == part.From && part.Number < p.number && now.Sub(p.at) < doubtAfter:
		return
	case p.from != part.From || now.Sub(p.at) >= Lifetime:
		b.blank(p)
	}
	p.from, p.number, p.at = part.From, part.Number, now
	for len(p.pieces) > part.Count {
		b.put(p, len(p.pieces)-1, nil)
		p.pieces = p.pieces[:len(p.pieces)-1]
	}
	for len(p.pieces) < part.Count {
		p.pieces = append(p.pieces, nil)
	}
	if b.put(p, part.Index, part.Clients) {
		return
	}
	b.sweep(now)
	if !b.put(p, part.Index, part.Clients) {
		b.full++
	}
}

// sweep makes room where lists are no longer good.
func (b *Book) sweep(now time.Time) {
	for _, p := range b.pages {
		if now.Sub(p.at) >= Lifetime {
			b.blank(p)
		}
	}
}

// put puts a piece in its place, and reports whether there was room for it.
func (b *Book) put(p *page, at int, piece []Client) bool {
	after := b.total - len(p.pieces[at]) + len(piece)
	others := p.size() - len(p.pieces[at])
	if after > totalMax || others+len(piece) > knownMax { // pieces of two lists may be together more than one has
		return false
	}
	b.total = after
	p.pieces[at] = piece
	return true
}

func (b *Book) blank(p *page) {
	b.total -= p.size()
	p.pieces = nil
}

func (p *page) size() int {
	n := 0
	for _, piece := range p.pieces {
		n += len(piece)
	}
	return n
}

// Of returns the clients of a VIP, Max of them at most.
func (b *Book) Of(vip netip.Addr, now time.Time) []Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[vip]
	if p == nil || now.Sub(p.at) >= Lifetime {
		return nil
	}
	list := make([]Client, 0, p.size())
	for _, piece := range p.pieces {
		list = append(list, piece...)
	}
	return list[:min(len(list), Max)]
}

// Count returns how many clients of a VIP are known.
func (b *Book) Count(vip netip.Addr, now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pages[vip]
	if p == nil || now.Sub(p.at) >= Lifetime {
		return 0
	}
	return min(p.size(), Max)
}

// Full is how many parts there was no room for.
func (b *Book) Full() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full
}
