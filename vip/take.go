package vip

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Take puts an address on its link and announces it. Taking an address that is held, or was left by an earlier life,
// refreshes and announces it again, under the new lease. Clients of its former holder are recalled beside that; see Options.Former.
//
// With ErrNotAnnounced the address is on the link and held, and the schedule of announcements runs. With
// ErrTooLate it has been taken off the link again and is not held. After any other error it is as it was, or
// off the link if it was not held; with ErrForeign the address is there and not ours.
func (m *Manager) Take(a Address, lease Lease) error {
	s, err := m.enter(opAdd, a)
	if err != nil {
		return err
	}
	defer m.leave(s)
	m.stepped(a, StepTaking)
	return m.hold(opAdd, s, a, lease)
}

// Prolonged says what a call of Prolong came to.
type Prolonged int

const (
	// ProlongedNot: nothing was written, because it failed or the last refresh is recent enough.
	ProlongedNot Prolonged = iota
	// ProlongedRefreshed: the kernel counts the lifetime anew.
	ProlongedRefreshed
	// ProlongedRestored: somebody else had removed the address; it is back, and announced again.
	ProlongedRestored
)

// String returns a word for logs.
func (p Prolonged) String() string {
	switch p {
	case ProlongedNot:
		return "not"
	case ProlongedRefreshed:
		return "refreshed"
	case ProlongedRestored:
		return "restored"
	}
	return fmt.Sprintf("Prolonged(%d)", int(p))
}

// Prolong starts the kernel's lifetime of a held address anew. It may be called as often as the lease is
// renewed: at most once a second does it reach the kernel. With ErrTooLate the lease was over, and the
// address is off the link and no longer held; with ErrNotAnnounced it was restored but not announced.
// After any other error it is held as before, and may be lost when its lifetime ends.
func (m *Manager) Prolong(a Address) (Prolonged, error) { return m.prolong(a, refreshInterval) }

// Restore is Prolong for an address that somebody else may have removed: it always reaches the kernel.
func (m *Manager) Restore(a Address) (Prolonged, error) { return m.prolong(a, 0) }

// Renew keeps the fence of a held address open while its lease lasts, and is the part of Prolong that waits for nobody. The
// kernel changes addresses one after the other, whoever's they are: a Prolong may stand there for longer than a lease, behind
// a network card that is being reset or a thousand interfaces that go at once. With ErrNotHeld there is nothing to renew, or
// a call under way is about to change that; with ErrTooLate the lease was over and the fence is closed, and the address is for
// Prolong or Drop to remove; with ErrFence the fence could not be opened.
func (m *Manager) Renew(a Address) error {
	if err := a.check(); err != nil {
		return failed(opProlong, a, err)
	}
	end, err := m.begin()
	if err != nil {
		return failed(opProlong, a, err)
	}
	defer end()
	s := m.slot(a)
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.renewable == nil {
		return failed(opProlong, a, ErrNotHeld)
	}
	if err := m.fence.open(a.Prefix.Addr(), s.renewable); err != nil && !errors.Is(err, errOutlives) {
		return failed(opProlong, a, err)
	}
	return nil
}

// RemovedBy says who removed the address last without being this Manager: a process, the kernel when its lifetime
// ended, or "" if nobody is known to have. Only what WatchLinks hears of is known.
func (m *Manager) RemovedBy(a Address) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.removed[a.Prefix]
}

// noteRemoval remembers who removed an address of which a call has spoken.
func (m *Manager) noteRemoval(r removal) {
	by := r.String() // now, while the process may still be there
	m.mu.Lock()
	defer m.mu.Unlock()
	for a := range m.slots {
		if a.Prefix == r.prefix {
			m.removed[r.prefix] = by
		}
	}
}

func (m *Manager) prolong(a Address, interval time.Duration) (Prolonged, error) {
	s, err := m.enter(opProlong, a)
	if err != nil {
		return ProlongedNot, err
	}
	defer m.leave(s)
	switch {
	case s.held == nil:
		return ProlongedNot, failed(opProlong, a, ErrNotHeld)
	case s.held.lease.over():
		return ProlongedNot, m.late(opProlong, s, a, true)
	}
	switch err := m.fence.open(a.Prefix.Addr(), s.held.lease); {
	case errors.Is(err, ErrTooLate):
		return ProlongedNot, m.late(opProlong, s, a, true)
	case errors.Is(err, errOutlives):
		return ProlongedNot, nil // the next renewal makes the lease longer, or the kernel ends the address in time
	case err != nil:
		return ProlongedNot, failed(opProlong, a, err)
	case time.Since(s.held.refreshed) < interval:
		return ProlongedNot, nil
	}
	link, added, err := m.write(a)
	switch {
	case err != nil:
		return ProlongedNot, failed(opProlong, a, err)
	case s.held.lease.over():
		return ProlongedNot, m.late(opProlong, s, a, true)
	case !added:
		s.held.refreshed = time.Now()
		return ProlongedRefreshed, nil
	}
	m.counts.restored.Add(1)
	return ProlongedRestored, m.announceAnew(s, a, link, s.held.lease, time.Now())
}

// openedLong is how long a write takes at most without another look at the fence. What was opened for the lease as it was
// then closes by itself, and the lease may have been renewed since.
const openedLong = 10 * time.Millisecond

// hold opens the fence, writes the address and announces it. The lease is asked again between the two: a process that
// stood still during the write may have written for a lease that is long over.
func (m *Manager) hold(op operation, s *slot, a Address, lease Lease) error {
	held := s.held != nil
	s.unlet()
	defer s.relet()
	if lease.over() {
		return m.late(op, s, a, held)
	}
	switch err := m.fence.open(a.Prefix.Addr(), lease); {
	case errors.Is(err, ErrTooLate):
		return m.late(op, s, a, held)
	case err != nil:
		return failed(op, a, err)
	}
	m.stepped(a, StepOpened)
	opened := time.Now()
	if !held {
		m.see(a.Prefix.Addr(), sighting{at: opened, taken: true})
	}
	link, added, err := m.write(a)
	if err != nil && !held {
		err = joined(err, m.fence.shut(a.Prefix.Addr(), both))
	}
	if err != nil {
		return failed(op, a, err)
	}
	m.stepped(a, StepAdded)
	if time.Since(opened) > openedLong {
		switch err := m.fence.open(a.Prefix.Addr(), lease); {
		case err == nil, errors.Is(err, ErrTooLate): // which is found right below
		case held:
			return failed(op, a, err)
		default:
			return joined(failed(op, a, err), m.remove(link, a))
		}
	}
	if lease.over() {
		return m.late(op, s, a, true)
	}
	err = m.announceAnew(s, a, link, lease, time.Now())
	if added && !held { // else its connections are alive
		s.held.hush = m.recallOn(a, link, lease)
	}
	return err
}

// write makes the kernel count the lifetime of the address anew, and adds it if it is not there.
func (m *Manager) write(a Address) (link Link, added bool, err error) {
	link, err = m.kernel.link(a.Link)
	if err != nil {
		return Link{}, false, err
	}
	added, err = m.addOrRefresh(link, a)
	if err != nil {
		return Link{}, false, err
	}
	m.counts.refreshed.Add(1)
	return link, added, nil
}

func (m *Manager) addOrRefresh(link Link, a Address) (added bool, err error) {
	err = m.kernel.add(link.Index, a)
	if !errors.Is(err, unix.EEXIST) {
		return err == nil, err
	}
	// The kernel would let us refresh an address of somebody else, and so give it an end.
	switch err := m.findOn(link, a); {
	case errors.Is(err, ErrAbsent): // it expired since
		err = m.kernel.add(link.Index, a)
		return err == nil, err
	case err != nil:
		return false, err
	}
	return false, m.kernel.refresh(link.Index, a)
}

// late ends what was found to be held without a lease. Another host may answer for the address already,
// so here it goes first, and its connections end without a reset. ours says that it is known to be.
func (m *Manager) late(op operation, s *slot, a Address, ours bool) error {
	m.counts.tooLate.Add(1)
	s.surrender()
	tooLate := joined(failed(op, a, ErrTooLate), m.shut(a, both))
	link, err := m.findToRemove(a, ours)
	switch {
	case errors.Is(err, ErrForeign):
		return tooLate
	case err != nil:
		return joined(tooLate, failed(opRemove, a, err))
	}
	removed := m.remove(link, a)
	_, destroyed := m.destroyConnections(a)
	return joined(tooLate, removed, destroyed)
}
