package vip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Lease says how long the right to hold an address still lasts; nothing or less: it is over. It comes with
// Take and is asked for as long as the address is held: around every write to the kernel and before
// every announcement, from several goroutines. So it reads the newest deadline of the lease, not the one
// of the moment it was made, and it must not call the Manager.
type Lease func() time.Duration

// over reports whether it has ended.
func (l Lease) over() bool { return l() <= 0 }

// Options say how a Manager guards its addresses.
type Options struct {
	// Fence is FenceAuto unless set.
	Fence FenceMode
	// Managed are the addresses that this host may be asked to take. The fence guards no others. If there are
	// none, those that the fence of an earlier life guarded.
	Managed []netip.Addr
	// Links are the names of those on which managed addresses are taken. A packet to one that is not open here is kept out if
	// it came in by such a link; by another it may be on its way through this host to the holder. As with Managed, those of an
	// earlier life if none are named there.
	Links []string
	// Stepped, if not nil, is told of every step of a Take, Drop, DropSeen, Sweep or Expel when it is done, and of every
	// announcement that begins a schedule, on the goroutine of the call. It must be quick, and must not call the Manager.
	Stepped func(Address, Step)
	// Former, unless nil, is asked who was connected to an address when that comes up here and was not here before. Those
	// connections died with the former holder, and their clients are to notice at once. It may be called from any
	// goroutine, and must not call the Manager.
	Former func(netip.Addr) []Client
}

// A Manager puts addresses on the links of one network namespace. Its methods may be called from several
// goroutines; calls for one address run one after the other, calls for different addresses side by side.
type Manager struct {
	kernel   kernel
	fence    fence
	fenceWhy error // why it is not a better one; nil if it is what was asked for
	counts   counts
	stepped  func(Address, Step) // never nil
	former   func(netip.Addr) []Client
	recalls  *rate.Limiter // of packets to former clients

	// ctx ends when Close begins.
	ctx    context.Context
	cancel context.CancelFunc

	closing  sync.Once
	closeErr error

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // calls under way; grows only while closed is unset
	slots   map[Address]*slot
	seen    map[netip.Addr]sighting
	removed map[netip.Prefix]string // who removed an address that was not ours to remove, last
}

// A slot is the place of one address, whether held or not. There are as many as addresses were ever
// named, so they are never removed.
type slot struct {
	mu   sync.Mutex // held for the whole of a call that changes the address
	held *holding   // Invariant: not nil exactly while this Manager holds the address.

	// Renew goes its own way, beside a call that has mu.
	gate      sync.Mutex
	renewable Lease // that of held; nil while nothing is held, and while a call may change whether it is or by which lease
}

// relet lets Renew go by the lease of what is held.
func (s *slot) relet() {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.held != nil {
		s.renewable = s.held.lease
	}
}

// unlet waits for a Renew under way, and lets none begin.
func (s *slot) unlet() {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.renewable = nil
}

// A holding is an address that was taken and not given up since.
type holding struct {
	lease     Lease
	refreshed time.Time // when the kernel last started the lifetime anew
	silence   func()    // ends the schedule of announcements, and returns when none will follow
	hush      func()    // the same of the recall of its former clients
}

// Open returns a Manager for the network namespace of the calling thread; all that it opens, it opens
// now, so it stays there. It fails with ErrCapability if the process may not change addresses or send
// raw frames, and with ErrFence if the fence that was asked for cannot be had.
func Open(o Options) (*Manager, error) {
	k, err := openNetlink()
	if err != nil {
		return nil, fmt.Errorf("vip: open: %w", err)
	}
	m := newManager(k)
	if o.Stepped != nil {
		m.stepped = o.Stepped
	}
	m.former = o.Former
	m.fence, m.fenceWhy, err = openFence(o, &m.counts)
	if err != nil {
		return nil, fmt.Errorf("vip: open: %w", errors.Join(err, k.close()))
	}
	return mortal(m), nil
}

// Fence returns what guards the addresses, and why it is no better one, nil if it is the one asked for.
func (m *Manager) Fence() (FenceMode, error) { return m.fence.mode(), m.fenceWhy }

// newManager returns a Manager without a fence.
func newManager(k kernel) *Manager {
	m := &Manager{
		kernel: k, fence: noFence{}, stepped: func(Address, Step) {}, slots: map[Address]*slot{}, seen: map[netip.Addr]sighting{}, removed: map[netip.Prefix]string{},
		recalls: newRecallLimit(),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Close ends the announcements and waits for calls under way; after it returns nothing touches the
// kernel, and every other method fails with ErrClosed. Addresses stay where they are: a Manager opened
// later finds them as leftovers, and without one the kernel removes them within a few seconds. A
// function given to WatchLinks or WatchClaims must not call it.
func (m *Manager) Close() error {
	m.closing.Do(func() { m.closeErr = m.close() })
	return m.closeErr
}

func (m *Manager) close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.running.Wait()
	for _, s := range m.slots {
		s.surrender()
	}
	if err := errors.Join(m.fence.close(), m.kernel.close()); err != nil {
		return fmt.Errorf("vip: close: %w", err)
	}
	return nil
}

// begin counts a call in, and returns what counts it out.
func (m *Manager) begin() (end func(), err error) {
	if err := m.countIn(); err != nil {
		return nil, err
	}
	return m.running.Done, nil
}

func (m *Manager) countIn() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.running.Add(1)
	return nil
}

// enter begins a call for one address and waits until it has the address to itself. Unless it fails, leave ends the
// call.
func (m *Manager) enter(op operation, a Address) (*slot, error) {
	if err := a.check(); err != nil {
		return nil, failed(op, a, err)
	}
	if err := m.countIn(); err != nil {
		return nil, failed(op, a, err)
	}
	s := m.slot(a)
	s.mu.Lock()
	return s, nil
}

func (m *Manager) leave(s *slot) {
	s.mu.Unlock()
	m.running.Done()
}

func (m *Manager) slot(a Address) *slot {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.slots[a]
	if s == nil {
		s = &slot{}
		m.slots[a] = s
	}
	return s
}

// surrender makes the slot's address one that is not held, and unheard of from now on.
func (s *slot) surrender() {
	if s.held == nil {
		return
	}
	s.unlet()
	s.held.silence()
	s.held.hush()
	s.held = nil
}
