package vip

import (
	"fmt"
	"time"
)

// findOn returns nil if an address of ours is on the link, ErrAbsent if it is not there, and ErrForeign
// if somebody else added it. Of IPv6 the kernel has an address once, whatever its prefix length.
func (m *Manager) findOn(link Link, a Address) error {
	list, err := m.kernel.addresses(link.Index)
	if err != nil {
		return err
	}
	for _, p := range list {
		if p.Prefix.Addr() != a.Prefix.Addr() {
			continue
		}
		if p.Prefix != a.Prefix {
			if a.Prefix.Addr().Is6() {
				return ErrForeign
			}
			continue
		}
		if p.ours(link.Name) {
			return nil
		}
		return ErrForeign
	}
	return ErrAbsent
}

// Leftovers returns the addresses that are ours and are not held: what an earlier life of the agent
// left on the links. Each is to be taken or dropped.
func (m *Manager) Leftovers() ([]Address, error) {
	end, err := m.begin()
	if err != nil {
		return nil, fmt.Errorf("vip: list leftovers: %w", err)
	}
	defer end()
	links, err := m.sortedLinks()
	if err != nil {
		return nil, fmt.Errorf("vip: list leftovers: %w", err)
	}
	var list []Address
	for _, link := range links {
		there, err := m.kernel.addresses(link.Index)
		if err != nil {
			return nil, fmt.Errorf("vip: list leftovers on %s: %w", link.Name, err)
		}
		for _, p := range there {
			a := Address{Prefix: p.Prefix, Link: link.Name}
			if p.ours(link.Name) && !m.holds(a) {
				list = append(list, a)
			}
		}
	}
	return list, nil
}

// FencedIn is how long the kernel still lets packets of an address pass if nobody prolongs its lease: nothing if it
// does not any more, or would not end that by itself.
func (m *Manager) FencedIn(a Address) time.Duration { return m.fence.left(a.Prefix.Addr()) }

func (m *Manager) holds(a Address) bool {
	s := m.slot(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held != nil
}
