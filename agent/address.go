package agent

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/vip"
)

// addresses carries out what the machine orders about addresses: one goroutine for each VIP, which
// keeps the order of that VIP's orders, and one that keeps its fence open beside an order that takes its time. Methods
// that say so may be called from any goroutine; the rest belong to the loop's.
type addresses struct {
	shared
	port    addressPort
	names   []core.Name     // sorted
	tookUp  func(core.Name) // that an address went up, from any goroutine; may be nil
	workers map[core.Name]*addressWorker
	running *crew
}

// newAddresses starts the workers; where says which address on which link each VIP is.
func newAddresses(s shared, port addressPort, where map[core.Name]vip.Address) *addresses {
	a := &addresses{shared: s, port: port, workers: map[core.Name]*addressWorker{}, running: newCrew(s.failed)}
	for name, address := range where {
		w := &addressWorker{addresses: a, name: name, address: address, orders: newMailbox[*addressOrder](), behind: newMailbox[struct{}]()}
		a.workers[name] = w
		a.names = append(a.names, name)
		a.running.start(w.run)
		a.running.start(w.renew)
	}
	slices.Sort(a.names)
	return a
}

// finish ends the workers once they have done what was ordered so far, from any goroutine when the loop has ended.
func (a *addresses) finish() {
	for _, w := range a.workers {
		w.orders.close()
		w.behind.close()
	}
	a.running.wait()
}

// addressWorker is one VIP's.
type addressWorker struct {
	*addresses
	name    core.Name
	address vip.Address
	orders  *mailbox[*addressOrder]
	behind  *mailbox[struct{}]        // has something while the fence is to be renewed beside an order that takes its time
	asked   atomic.Bool               // behind has something that was not taken up yet
	since   atomic.Pointer[time.Time] // when the address went up by this life's doing; nil while it is not
	unswept *time.Timer               // of the sweep that a drop has left to do, nil if there is none; run's alone
	retry   time.Duration             // the last pause before that was tried again, 0 if it did not fail; run's alone

	// The rest belongs to the loop's goroutine.
	lease    *deadline     // of the newest TakeAddress; nil before the first and after a DropAddress
	newest   *addressOrder // ordered last, nil before
	prolongs *addressOrder // the newest prolongation, nil before
	lastTake uint64        // number of the newest TakeAddress
	counter  uint64
}

// addressOrder is one order to a worker.
type addressOrder struct {
	kind   orderKind
	number uint64
	term   core.Term // of a take
	lease  *deadline // of a take
	late   bool      // of a drop: the lease is over
	all    bool      // of a drop: every connection is to be looked for
	once   bool      // of an announcement: the schedule stays as it is
	gone   bool      // of a prolongation: the address is to be put back if it is missing
	done   atomic.Bool
}

type orderKind uint8

const (
	orderTake orderKind = iota
	orderProlong
	orderAnnounce
	orderDrop
	orderSweep
)

// sweepAfter is how long after a drop its sweep begins, unless a take comes first: before a flush finds its instance quiet.
// The search keeps a processor from everything else for about a millisecond, and right after a drop this node is asked as a
// voter who may have the address now.
const sweepAfter = 100 * time.Millisecond

// A sweep that failed is tried again after sweepRetry, and then after pauses that double up to sweepSeldom.
const (
	sweepRetry  = time.Second
	sweepSeldom = time.Minute
)

// deadline is how long one acquisition's lease lasts. The address that was taken for it asks for as
// long as it is up, from any goroutine.
type deadline struct {
	clock func() core.Instant
	until atomic.Int64 // a core.Instant; zero once the address is to go down
}

// left is the time until then, by a clock read now.
func (d *deadline) left() time.Duration { return core.Instant(d.until.Load()).Sub(d.clock()) }

// take orders an address up. The answer comes later, but at once for a VIP that has no place here.
func (a *addresses) take(e core.TakeAddress) (answer core.Event) {
	w := a.workers[e.Name]
	if w == nil {
		return core.AddressFailed{Name: e.Name, Term: e.Term, Err: "no interface of this node is known for it"}
	}
	w.lease = &deadline{clock: a.clock}
	w.lease.until.Store(int64(e.Until))
	w.order(&addressOrder{kind: orderTake, term: e.Term, lease: w.lease})
	w.lastTake = w.counter
	return nil
}

// prolong makes the lease longer at once, and has the kernel told when the worker comes to it.
func (a *addresses) prolong(e core.ProlongAddress) {
	w := a.workers[e.Name]
	if w == nil || w.lease == nil {
		return
	}
	w.lease.until.Store(int64(e.Until))
	if w.prolongs != nil && !w.prolongs.done.Load() && w.asked.CompareAndSwap(false, true) { // asked before: it goes by the newest deadline
		w.behind.put(struct{}{})
	}
	if (w.newest.kind == orderProlong || w.newest.kind == orderTake) && !w.newest.done.Load() && !e.Gone {
		return // the kernel is told often enough: the next renewal comes soon, or the address is on its way up
	}
	w.order(&addressOrder{kind: orderProlong, gone: e.Gone})
	w.prolongs = w.newest
}

// drop ends the lease at once, so that nothing more is announced, and orders the address down. The
// answer comes later, but at once for a VIP that has no place here.
func (a *addresses) drop(e core.DropAddress) (answer core.Event) {
	w := a.workers[e.Name]
	if w == nil {
		return core.AddressDown{Name: e.Name}
	}
	if w.lease != nil {
		w.lease.until.Store(0)
		w.lease = nil
	}
	if w.newest != nil && w.newest.kind == orderDrop && !w.newest.done.Load() {
		return nil // the machine repeats itself, and the answer is still to come
	}
	w.order(&addressOrder{kind: orderDrop, late: e.Late, all: e.All})
	return nil
}

// sweep has connections swept at once of addresses that are down, since somebody waits for them to be gone.
func (a *addresses) sweep(names []core.Name) {
	for _, name := range names {
		if w := a.workers[name]; w != nil {
			w.orders.put(&addressOrder{kind: orderSweep})
		}
	}
}

// isUp reports whether this life has put a VIP's address up, from any goroutine.
func (a *addresses) isUp(name core.Name) bool {
	w := a.workers[name]
	return w != nil && w.since.Load() != nil
}

// upHere returns the addresses that this life has put up, from any goroutine.
func (a *addresses) upHere() []vip.Address {
	var list []vip.Address
	for _, name := range a.names {
		if a.isUp(name) {
			list = append(list, a.workers[name].address)
		}
	}
	return list
}

func (w *addressWorker) order(o *addressOrder) {
	w.counter++
	o.number = w.counter
	w.newest = o
	w.orders.put(o)
}

func (w *addressWorker) run() {
	for {
		o, ok := w.orders.get()
		if !ok {
			w.sweep()
			return
		}
		switch o.kind {
		case orderTake:
			w.sweep()
			w.take(o)
		case orderProlong:
			w.prolong(o)
		case orderAnnounce:
			w.announce(o)
		case orderDrop:
			w.drop(o)
		case orderSweep:
			w.sweep()
		}
	}
}

// renew keeps the fence open while an order waits for the kernel, which changes one address of the host at a time. The lease
// goes on meanwhile, and a fence that does not would end the service.
func (w *addressWorker) renew() {
	for {
		if _, ok := w.behind.get(); !ok {
			return
		}
		w.asked.Store(false)
		if err := w.port.Renew(w.address); errors.Is(err, vip.ErrFence) {
			w.queue.put(core.AddressLost{Name: w.name, Err: err.Error(), Fence: true})
		}
	}
}

func (w *addressWorker) take(o *addressOrder) {
	fail := func(why string) {
		o.done.Store(true)
		w.queue.put(core.AddressFailed{Name: w.name, Term: o.term, Err: why})
	}
	if o.lease.left() <= 0 {
		fail("its lease was over before it could be put up")
		return
	}
	err := w.port.Take(w.address, o.lease.left)
	switch {
	case err == nil:
	case errors.Is(err, vip.ErrNotAnnounced):
		// It is up, and announced as soon as the link lets a frame out.
		w.diary.trouble(logrus.Fields{fieldVIP: w.name}, "address not announced", err)
	default:
		fail(err.Error())
		return
	}
	now := time.Now()
	w.since.Store(&now)
	o.done.Store(true)
	w.queue.put(core.AddressUp{Name: w.name, Term: o.term})
	if w.tookUp != nil {
		w.tookUp(w.name)
	}
}

// gone tells the machine of an address that was taken down for want of a lease. As a rule it ends that lease by itself; it
// does not if a renewal came in at the last moment and was written down after an order had looked.
func (w *addressWorker) gone(o *addressOrder, err error) {
	w.since.Store(nil)
	w.queue.putIf(core.AddressLost{Name: w.name, Err: err.Error()}, func() bool { return w.lastTake < o.number })
}

// prolong tells the machine of what others did to the address, of a fence that cannot be renewed and of an address that is
// not there any more and cannot be put back. One that could not be refreshed is for people: it is tried again with the next
// renewal, and if that comes too late, the kernel ends the address and it is gone.
func (w *addressWorker) prolong(o *addressOrder) {
	prolong := w.port.Prolong
	if o.gone {
		prolong = w.port.Restore
	}
	result, err := prolong(w.address)
	o.done.Store(true)
	switch {
	case errors.Is(err, vip.ErrTooLate), errors.Is(err, vip.ErrNotHeld):
		w.gone(o, err)
	case errors.Is(err, vip.ErrFence), o.gone && err != nil && !errors.Is(err, vip.ErrNotAnnounced):
		w.queue.put(core.AddressLost{Name: w.name, Err: err.Error(), Fence: errors.Is(err, vip.ErrFence)})
	case err != nil && !errors.Is(err, vip.ErrNotAnnounced):
		w.diary.trouble(logrus.Fields{fieldVIP: w.name}, "address not refreshed", err)
	case result == vip.ProlongedRestored:
		fields := logrus.Fields{fieldVIP: w.name}
		if by := w.port.RemovedBy(w.address); by != "" {
			fields[fieldBy] = by
		}
		w.diary.trouble(fields, "address put back: somebody had removed it", err)
		w.queue.put(core.AddressRestored{Name: w.name})
	}
}

func (w *addressWorker) drop(o *addressOrder) {
	give := w.port.DropSeen
	switch {
	case o.late:
		give = w.port.Expel
	case o.all:
		give = w.port.Drop
	}
	dropped, err := give(w.address)
	o.done.Store(true)
	w.since.Store(nil)
	down := core.AddressDown{Name: w.name, Took: dropped.Took}
	switch {
	case err == nil:
	case isDown(err):
		w.diary.trouble(logrus.Fields{fieldVIP: w.name}, "connections of a dropped address are left", err)
	default:
		down.Err = err.Error()
	}
	// Once a newer take was ordered, this says nothing about what the address is by now.
	w.queue.putIf(down, func() bool { return w.lastTake < o.number })
	if dropped.Unswept {
		w.sweepIn(sweepAfter)
	}
}

// sweepIn has connections swept after a while, unless something sweeps them before.
func (w *addressWorker) sweepIn(d time.Duration) {
	if w.unswept != nil {
		w.unswept.Stop()
	}
	w.unswept = time.AfterFunc(d, func() { w.orders.put(&addressOrder{kind: orderSweep}) })
}

// sweep does what a drop has left; what fails is tried again, ever more seldom.
func (w *addressWorker) sweep() {
	if w.unswept == nil {
		return
	}
	if w.lookAgain() {
		w.unswept, w.retry = nil, 0
		return
	}
	w.retry = min(max(2*w.retry, sweepRetry), sweepSeldom)
	w.sweepIn(w.retry)
}

// lookAgain looks once more for connections of an address that was dropped, and reports whether none is left that could be
// destroyed.
func (w *addressWorker) lookAgain() bool {
	_, err := w.port.Sweep(w.address)
	if err != nil {
		w.diary.trouble(logrus.Fields{fieldVIP: w.name}, "connections of a dropped address are left", err)
	}
	return err == nil || errors.Is(err, vip.ErrNoSocketDestroy)
}

// isDown reports whether an error of Drop only says that connections are left, or the fence open, while the
// address is off its link.
func isDown(err error) bool {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range several.Unwrap() {
			if !isDown(one) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, vip.ErrNoSocketDestroy) || errors.Is(err, vip.ErrSocketsLeft) || errors.Is(err, vip.ErrFence)
}

// letGo takes down every address that may be up, side by side, without anybody's order, from any goroutine when the loop
// has ended: what its workers were still to put up finds its lease over.
func (a *addresses) letGo() error {
	errs := make([]error, len(a.names))
	var all sync.WaitGroup
	for i, name := range a.names {
		w := a.workers[name]
		if w.lease != nil {
			w.lease.until.Store(0)
		}
		all.Go(func() {
			dropped, err := a.port.Drop(w.address)
			if err != nil && !isDown(err) {
				errs[i] = err
			}
			w.since.Store(nil)
			if dropped.Unswept {
				w.lookAgain()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
