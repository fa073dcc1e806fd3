package agent

import (
	"slices"
	"sync"
	"time"

	"memvip/agent/core"
	"memvip/vip"
)

// watchLinks tells the machine of every VIP's link and of its changes, and of addresses that went from one.
func (a *agent) watchLinks() {
	h := a.config.Health
	states := newLinkStates(time.Duration(h.Rise)*h.Interval, func(link string, up bool) {
		for name, place := range a.places {
			if place.Link == link {
				a.loop.queue.put(core.LinkChanged{Name: name, Up: up})
			}
		}
	})
	defer states.close()
	each := func(l vip.Link) {
		if a.macs.changed(l) {
			a.loop.queue.put(core.MACsChanged{MACs: a.macs.told})
		}
		states.changed(l.Name, l.Up)
		for name, place := range a.places {
			if place.Link == l.Name && l.Up && a.loop.addresses.isUp(name) && !slices.Contains(l.Prefixes, place.Prefix) {
				a.loop.queue.put(core.AddressGone{Name: name}) // or on its way up or down, which the machine knows
			}
		}
	}
	a.keepWatching("links not watched", func() error { return a.manager.WatchLinks(a.ctx, each) })
}

// linkStates tells of links that go down at once, and of one that came up again when it has been up for a while:
// as long as a memcached must answer before it counts as up again. A link that flaps is down.
type linkStates struct {
	rise time.Duration
	tell func(link string, up bool) // called with mu held, so that its order is that of the changes

	mu     sync.Mutex
	told   map[string]bool
	rising map[string]*time.Timer // Invariant: only links that were told to be down and are up
}

func newLinkStates(rise time.Duration, tell func(link string, up bool)) *linkStates {
	return &linkStates{rise: rise, tell: tell, told: map[string]bool{}, rising: map[string]*time.Timer{}}
}

// changed takes in what a link is now, which may be what it was.
func (s *linkStates) changed(link string, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.told[link]
	if !up {
		s.fall(link)
	}
	switch {
	case known && before == up:
	case known && up:
		s.await(link)
	default:
		s.say(link, up)
	}
}

// await begins to wait until a link has been up for long enough, unless that is under way.
func (s *linkStates) await(link string) {
	if s.rising[link] != nil {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(s.rise, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.rising[link] == t { // else it went down in the last moment
			delete(s.rising, link)
			s.say(link, true)
		}
	})
	s.rising[link] = t
}

func (s *linkStates) fall(link string) {
	if t := s.rising[link]; t != nil {
		t.Stop()
		delete(s.rising, link)
	}
}

func (s *linkStates) say(link string, up bool) {
	s.told[link] = up
	s.tell(link, up)
}

// close says nothing more.
func (s *linkStates) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for link := range s.rising {
		s.fall(link)
	}
}
