package clients

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// A Post says which node is to be told of which VIP's list next: of news at once, but of one that took several packets
// as many seconds after the last; of the rest every RepeatEvery; the one that has waited longest first. So a list that
// changes all the time is a packet a second. Whoever sends stops when enough has been sent, and goes on the next time.
type Post struct {
	readers map[netip.Addr][]string
	letters map[netip.Addr]*letter // of VIPs that are held here and have had clients
}

// letter is what is to be told of one VIP.
type letter struct {
	issue uint64            // counts the news
	read  map[string]issued // what each reader was told
}

type issued struct {
	issue   uint64
	at      time.Time
	packets int // that it took
}

// may reports whether it is time to tell again, and whether only because it is so long ago.
func (i issued) may(issue uint64, now time.Time) (yes, repeat bool) {
	since := now.Sub(i.at)
	if i.issue == issue {
		return since >= RepeatEvery, true
	}
	return i.packets <= 1 || since >= time.Duration(i.packets)*newsEvery, false
}

// newsEvery is the time from one packet of a VIP's news to the next, on average.
const newsEvery = time.Second

// An Errand is one list for one node.
type Errand struct {
	VIP netip.Addr
	To  string
}

// NewPost returns a Post that has nothing to tell. The readers of a VIP are the other nodes that may hold it.
func NewPost(readers map[netip.Addr][]string) *Post {
	return &Post{readers: readers, letters: map[netip.Addr]*letter{}}
}

// News has all readers of a VIP told of its list.
func (p *Post) News(vip netip.Addr) {
	l := p.letters[vip]
	if l == nil {
		l = &letter{read: map[string]issued{}}
		p.letters[vip] = l
	}
	l.issue++
}

// Keep forgets the VIPs for which held is false: others tell of them now.
func (p *Post) Keep(held func(netip.Addr) bool) {
	for vip := range p.letters {
		if !held(vip) {
			delete(p.letters, vip)
		}
	}
}

// Due returns what is to be told now, in order. Told is to be called for what has been.
func (p *Post) Due(now time.Time) []Errand {
	type waiting struct {
		Errand
		repeat bool
		since  time.Time
	}
	var due []waiting
	for vip, l := range p.letters {
		for _, to := range p.readers[vip] {
			last := l.read[to]
			if yes, repeat := last.may(l.issue, now); yes {
				due = append(due, waiting{Errand{vip, to}, repeat, last.at})
			}
		}
	}
	slices.SortFunc(due, func(a, b waiting) int {
		return cmp.Or(before(!a.repeat, !b.repeat), a.since.Compare(b.since), a.VIP.Compare(b.VIP), cmp.Compare(a.To, b.To))
	})
	errands := make([]Errand, len(due))
	for i, d := range due {
		errands[i] = d.Errand
	}
	return errands
}

// before orders what is true before what is not.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// Told notes that an errand is done, and how many packets it took.
func (p *Post) Told(e Errand, packets int, now time.Time) {
	if l := p.letters[e.VIP]; l != nil {
		l.read[e.To] = issued{l.issue, now, packets}
	}
}
