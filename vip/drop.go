package vip

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// roundsMax bounds the search for connections once the address is gone, when no new one can come.
const roundsMax = 64

// Dropped says what it took to give an address up.
type Dropped struct {
	Sockets int           // TCP connections destroyed
	Took    time.Duration // from the call to the end
	Unswept bool          // Sweep is to be called, when nobody waits or before the next Take
}

// Drop gives an address up, held or left over: announcements stop, its TCP connections are reset, it
// comes off the link, and what connected meanwhile is destroyed. That is left to Sweep where a fence keeps
// such a connection from hearing or saying anything. Listening sockets stay. To drop what is not there is no
// error, and destroys what connections are left of it; an address that somebody else added is left alone, with
// ErrForeign.
//
// It goes on past an error and returns them joined. The address is off the link with ErrNoSocketDestroy
// or ErrSocketsLeft alone; then some of its connections remain.
func (m *Manager) Drop(a Address) (Dropped, error) { return m.release(a, m.drop) }

// DropSeen is Drop without the time that goes by the number of connections, on the host or of the address: of those that
// EachConnection saw last it resets 64, or up to 256 whose clients had spoken just before. The client of any other is reset when
// it speaks the next time, and what is left of its connection is destroyed by Sweep; one that waits for an answer that has not left
// waits until the next holder recalls it, if it knows of it (Options.Former). Where nobody has looked of late, or since the address
// was taken, or no fence is known to answer with resets, it is Drop.
func (m *Manager) DropSeen(a Address) (Dropped, error) { return m.release(a, m.dropSeen) }

// Expel is Drop for an address whose lease is over: it comes off the link first, since another host may
// have it any moment, and its connections are destroyed after that, without a reset. Clients are reset
// by the next holder, which does not know their connections.
func (m *Manager) Expel(a Address) (Dropped, error) { return m.release(a, m.expel) }

// Sweep destroys what connections are left of an address, unless it is held again, and returns how many there were: after Drop
// those that came about while it looked, after DropSeen those that it had not seen or left. They could neither hear nor say
// anything since that returned; what their clients sent was answered with a reset.
//
// It fails with ErrNoSocketDestroy or ErrSocketsLeft as Drop does.
func (m *Manager) Sweep(a Address) (int, error) {
	s, err := m.enter(opDestroy, a)
	if err != nil {
		return 0, err
	}
	defer m.leave(s)
	if s.held != nil {
		return 0, nil
	}
	return m.sweep(a)
}

// release gives an address up by the steps given.
func (m *Manager) release(a Address, steps func(a Address, held bool) (Dropped, error)) (Dropped, error) {
	begun := time.Now()
	s, err := m.enter(opDrop, a)
	if err != nil {
		return Dropped{}, err
	}
	defer m.leave(s)
	held := s.held != nil
	s.surrender()
	m.stepped(a, StepDropping)
	dropped, err := steps(a, held)
	closed := m.shut(a, both)
	m.stepped(a, StepClosed)
	if closed != nil && dropped.Unswept {
		rest, left := m.sweep(a)
		dropped.Sockets, dropped.Unswept, closed = dropped.Sockets+rest, left != nil, joined(closed, left)
	}
	err = joined(err, closed)
	dropped.Took = time.Since(begun)
	return dropped, err
}

// drop carries out the steps of a release in their order; see the package comment for its reasons. Connections are looked
// for while they are still served, they and whoever comes: the search walks the kernel's whole table of sockets, for about a
// millisecond that no client has to wait.
func (m *Manager) drop(a Address, held bool) (d Dropped, err error) {
	connected, unseen := m.kernel.sockets(a.Prefix.Addr())
	m.stepped(a, StepListed)
	return m.giveUp(a, held, unseen, func() (int, error) { return m.destroy(connected) })
}

// dropSeen carries out those of a release that is to take no time.
func (m *Manager) dropSeen(a Address, held bool) (d Dropped, err error) {
	seen, ok := m.lastSeen(a.Prefix.Addr())
	if !ok || !held || !m.fence.guards(a.Prefix.Addr()) {
		return m.drop(a, held)
	}
	return m.giveUp(a, held, nil, func() (int, error) { return m.resetBusiest(seen) })
}

// resetBusiest resets connections that were seen, those first whose clients had spoken last, and counts them.
func (m *Manager) resetBusiest(s sighting) (reset int, err error) {
	for first := 0; first < len(s.sockets) && err == nil && (first < s.busy || reset < resetMax); first += resetMax {
		var n int
		n, err = m.destroy(s.sockets[first:min(first+resetMax, len(s.sockets))])
		reset += n
	}
	return reset, err
}

// giveUp resets those of an address's connections that are known, unless finding them failed, and takes it off its link.
// Others are destroyed at the end, where what failed before is made good, too; or by Sweep, if nothing has failed and the fence
// is in their way.
func (m *Manager) giveUp(a Address, held bool, unseen error, known func() (int, error)) (d Dropped, err error) {
	shut := m.shut(a, inbound)
	m.stepped(a, StepShut)
	link, err := m.findToRemove(a, held)
	if err != nil {
		return Dropped{}, joined(shut, failed(opDrop, a, err))
	}
	reset, failure := known()
	m.stepped(a, StepReset)
	removed := m.remove(link, a)
	m.stepped(a, StepRemoved)
	if held && joined(unseen, shut, failure, removed) == nil && m.fence.guards(a.Prefix.Addr()) {
		return Dropped{Sockets: reset, Unswept: true}, nil
	}
	rest, left := m.sweep(a)
	return Dropped{Sockets: reset + rest}, joined(shut, removed, left)
}

// expel carries out the steps of a release that comes too late to be polite.
func (m *Manager) expel(a Address, held bool) (d Dropped, err error) {
	shut := m.shut(a, both)
	m.stepped(a, StepShut)
	link, err := m.findToRemove(a, held)
	if err != nil {
		return Dropped{}, joined(shut, failed(opDrop, a, err))
	}
	removed := m.remove(link, a)
	m.stepped(a, StepRemoved)
	d.Sockets, err = m.sweep(a)
	return d, joined(shut, removed, err)
}

// shut closes the fence for an address.
func (m *Manager) shut(a Address, d direction) error {
	if err := m.fence.shut(a.Prefix.Addr(), d); err != nil {
		return failed(opShut, a, err)
	}
	return nil
}

// findToRemove returns the link to remove the address from, or one without index if it is not there.
// That the kernel would not list the addresses is no reason to keep one that we hold.
func (m *Manager) findToRemove(a Address, held bool) (Link, error) {
	link, err := m.kernel.link(a.Link)
	switch {
	case errors.Is(err, ErrNoLink):
		return m.findRenamed(a)
	case err != nil:
		return Link{}, err
	}
	switch err := m.findOn(link, a); {
	case errors.Is(err, ErrAbsent):
		return m.findRenamed(a)
	case errors.Is(err, ErrForeign), err != nil && !held:
		return Link{}, err
	}
	return link, nil
}

// findRenamed is findToRemove where the link of that name does not have it: what was on one that has another name now is
// answered for there.
func (m *Manager) findRenamed(a Address) (Link, error) {
	links, err := m.kernel.links()
	if err != nil {
		return Link{}, err
	}
	for _, link := range links {
		if slices.Contains(link.Prefixes, a.Prefix) && m.findOn(link, Address{Prefix: a.Prefix, Link: link.Name}) == nil {
			return link, nil
		}
	}
	return Link{}, nil
}

// remove takes the address off the link; that it is gone already is no error.
func (m *Manager) remove(link Link, a Address) error {
	if link.Index == 0 {
		return nil
	}
	err := m.kernel.remove(link.Index, Address{Prefix: a.Prefix, Link: link.Name})
	if err == nil || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return failed(opRemove, a, err)
}

// sweep destroys what is left of an address, and tells of that step.
func (m *Manager) sweep(a Address) (destroyed int, err error) {
	destroyed, err = m.destroyConnections(a)
	m.stepped(a, StepSwept)
	return destroyed, err
}

// destroyConnections destroys the address's TCP connections until none is left, and counts them.
func (m *Manager) destroyConnections(a Address) (destroyed int, err error) {
	if destroyed, err = m.destroyAll(a.Prefix.Addr()); err != nil {
		return destroyed, failed(opDestroy, a, err)
	}
	return destroyed, nil
}

// EndConnections destroys the TCP connections of addresses that are on no link, which an earlier life left, and closes the
// fence for them: the kernel does neither when it ends an address that nobody refreshes. It returns how many. It walks
// the kernel's table of sockets twice, however many addresses there are. With ErrSocketsLeft some are left, with
// ErrNoSocketDestroy all; other errors are the kernel's.
func (m *Manager) EndConnections(ips []netip.Addr) (destroyed int, err error) {
	end, err := m.begin()
	if err != nil {
		return 0, named("end connections", err)
	}
	defer end()
	for some := range slices.Chunk(ips, conditionsMax) {
		n, failure := m.destroyAll(some...) // while a reset can leave
		destroyed, err = destroyed+n, joined(err, named("end connections", failure))
	}
	for _, ip := range ips {
		err = joined(err, named("end connections", m.fence.shut(ip, both)))
	}
	return destroyed, err
}

// destroyAll destroys the addresses' TCP connections until none is left, and counts them.
func (m *Manager) destroyAll(ips ...netip.Addr) (destroyed int, err error) {
	for range roundsMax {
		list, err := m.kernel.sockets(ips...)
		if err != nil || len(list) == 0 {
			return destroyed, err
		}
		n, err := m.destroy(list)
		if destroyed += n; err != nil {
			return destroyed, err
		}
	}
	return destroyed, ErrSocketsLeft
}

// destroy destroys connections and counts them.
func (m *Manager) destroy(list []socket) (destroyed int, err error) {
	if len(list) == 0 {
		return 0, nil
	}
	destroyed, err = m.kernel.destroy(list)
	m.counts.destroyed.Add(uint64(destroyed))
	return destroyed, err
}
