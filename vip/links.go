package vip

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// A Link is a network interface as it is at one moment.
type Link struct {
	Name  string
	Index int
	MAC   net.HardwareAddr
	// Up is set while the link is up for the administrator, has a carrier, and is operational. A link
	// that has been deleted is delivered once more, as not up and without prefixes.
	Up bool
	// Prefixes are the link's addresses, ours among them, in order.
	Prefixes []netip.Prefix
}

// equal reports whether nothing that a caller can see differs.
func (l Link) equal(o Link) bool {
	return l.Name == o.Name && l.Index == o.Index && l.Up == o.Up &&
		bytes.Equal(l.MAC, o.MAC) && slices.Equal(l.Prefixes, o.Prefixes)
}

// Links returns the links of the network namespace, by index, with their addresses.
func (m *Manager) Links() ([]Link, error) {
	end, err := m.begin()
	if err != nil {
		return nil, fmt.Errorf("vip: list links: %w", err)
	}
	defer end()
	links, err := m.sortedLinks()
	if err != nil {
		return nil, fmt.Errorf("vip: list links: %w", err)
	}
	return links, nil
}

// WatchLinks calls each with every link there is, and then with every link whose state or addresses
// have changed, one call at a time. Changes that follow each other closely may be told as one, and what the Manager itself does to
// addresses is told a little later; so after others have removed an address every link is told, changed or not. It
// returns when ctx ends (with its error) or the Manager is closed (with ErrClosed).
func (m *Manager) WatchLinks(ctx context.Context, each func(Link)) error {
	end, err := m.begin()
	if err != nil {
		return fmt.Errorf("vip: watch links: %w", err)
	}
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(ErrClosed) })()

	told, removed := map[int]Link{}, false
	err = m.kernel.watch(ctx, func() error {
		links, err := m.sortedLinks()
		if err != nil {
			return err
		}
		tell(told, links, removed, each)
		removed = false
		return nil
	}, func(r removal) {
		m.noteRemoval(r)
		removed = true // perhaps of what was added since the last call
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("vip: watch links: %w", err)
}

// tell hands out what differs from what was told before, or all, and remembers it.
func tell(told map[int]Link, links []Link, all bool, each func(Link)) {
	gone := make(map[int]Link, len(told))
	for index, link := range told {
		gone[index] = link
	}
	for _, link := range links {
		if before, known := gone[link.Index]; known && before.Name == link.Name {
			delete(gone, link.Index) // one by another name is, for who knows the old one, gone
		}
	}
	for _, link := range byIndex(gone) { // first: another may have the name by now
		delete(told, link.Index)
		each(Link{Name: link.Name, Index: link.Index, MAC: link.MAC})
	}
	for _, link := range links {
		before, known := told[link.Index]
		told[link.Index] = link
		if all || !known || !before.equal(link) {
			each(link)
		}
	}
}

func byIndex(links map[int]Link) []Link {
	var list []Link
	for _, link := range links {
		list = append(list, link)
	}
	slices.SortFunc(list, func(a, b Link) int { return cmp.Compare(a.Index, b.Index) })
	return list
}

func (m *Manager) sortedLinks() ([]Link, error) { return sortedLinks(m.kernel) }

func sortedLinks(k interface{ links() ([]Link, error) }) ([]Link, error) {
	links, err := k.links()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(links, func(a, b Link) int { return cmp.Compare(a.Index, b.Index) })
	for _, link := range links {
		slices.SortFunc(link.Prefixes, netip.Prefix.Compare)
	}
	return links, nil
}
