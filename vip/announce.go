package vip

import (
	"context"
	"fmt"
	"time"
)

// Announce announces a held address at once and starts its schedule from the beginning, as when its link or
// a part of the network is back. With ErrNotAnnounced the schedule runs all the same; with ErrTooLate
// the lease was over, and the address is off the link and no longer held.
func (m *Manager) Announce(a Address) error {
	return m.announceHeld(a, func(s *slot, link Link) error {
		return m.announceAnew(s, a, link, s.held.lease, s.held.refreshed)
	})
}

// AnnounceOnce announces a held address at once and leaves its schedule as it is: the one answer that RFC 5227
// section 2.4 allows to somebody else's claim. Errors are those of Announce.
func (m *Manager) AnnounceOnce(a Address) error {
	return m.announceHeld(a, func(_ *slot, link Link) error {
		if err := m.burst(link, a); err != nil {
			return failed(opAnnounce, a, fmt.Errorf("%w: %w", ErrNotAnnounced, err))
		}
		return nil
	})
}

// announceHeld announces an address that is held, under a lease that is in force.
func (m *Manager) announceHeld(a Address, announce func(*slot, Link) error) error {
	s, err := m.enter(opAnnounce, a)
	if err != nil {
		return err
	}
	defer m.leave(s)
	switch {
	case s.held == nil:
		return failed(opAnnounce, a, ErrNotHeld)
	case s.held.lease.over():
		return m.late(opAnnounce, s, a, true)
	}
	link, err := m.kernel.link(a.Link)
	switch {
	case err != nil:
		return failed(opAnnounce, a, fmt.Errorf("%w: %w", ErrNotAnnounced, err))
	case s.held.lease.over(): // the kernel may have had somebody wait for the link
		return m.late(opAnnounce, s, a, true)
	}
	return announce(s, link)
}

// announceAnew makes the address one that is held, announced at once and then on schedule.
func (m *Manager) announceAnew(s *slot, a Address, link Link, lease Lease, refreshed time.Time) error {
	hush := func() {}
	if s.held != nil {
		s.held.silence()
		hush = s.held.hush
	}
	err := m.burst(link, a)
	m.stepped(a, StepAnnounced)
	s.held = &holding{lease: lease, refreshed: refreshed, silence: m.announceOn(a, lease), hush: hush}
	if err != nil {
		return failed(opAnnounce, a, fmt.Errorf("%w: %w", ErrNotAnnounced, err))
	}
	return nil
}

// announceOn follows the schedule from its second announcement until silence is called or the Manager
// closes.
func (m *Manager) announceOn(a Address, lease Lease) (silence func()) {
	ctx, cancel := context.WithCancel(m.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		timer := time.NewTimer(Schedule(1))
		defer timer.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
				m.announceIfLeased(a, lease)
				timer.Reset(Schedule(n + 1))
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// announceIfLeased sends one burst. An agent that thaws finds its timers due before anything has told it
// that another host is the holder now; announcing then would take the clients away from that host.
func (m *Manager) announceIfLeased(a Address, lease Lease) {
	link, err := m.kernel.link(a.Link) // its hardware address may have changed, as a bond's does
	switch {
	case lease.over(): // asked last: the kernel may have had somebody wait for the link
		m.counts.withheld.Add(1)
		return
	case err != nil:
		m.counts.announceFailed.Add(1)
		return
	}
	_ = m.burst(link, a) // counted, and due again by the schedule
}

// burst sends the frames of one announcement; one that cannot be sent does not keep back the next. It
// returns the first error, since the others are the same as a rule.
func (m *Manager) burst(link Link, a Address) error {
	frames, failure := announcement(link.MAC, a.Prefix.Addr())
	for _, frame := range frames {
		if err := m.kernel.send(link.Index, frame); err != nil && failure == nil {
			failure = err
		}
	}
	if failure != nil {
		m.counts.announceFailed.Add(1)
		return failure
	}
	m.counts.announced.Add(1)
	return nil
}
