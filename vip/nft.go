package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// tableName is that of the tables which the fence has for itself, one of the inet family and one of arp.
const tableName = "memvip"

// farewell is how long clients with an old ARP entry are still reset after the agent has left.
const farewell = 10 * time.Second

// nftFence is an nftables table in which packets of a managed address pass only while it is an element of a
// set, whose timeout is what is left of its lease. The kernel counts it down when the agent is stopped, killed
// or starved. It counts in jiffies and not through a suspend (F12).
type nftFence struct {
	counts  *counts
	managed []netip.Addr
	links   []string             // on which they are taken
	parting map[netip.Addr]Lease // of managed: those that an earlier life meant to be so for a time only
	heir    bool                 // nobody named managed: an earlier life did. This one is to clear up after it.

	mu     sync.Mutex
	conn   *nftables.Conn
	asker  *requester // for elements, and for the generation of the rule set
	layout *layout
	leases map[netip.Addr]Lease           // of the addresses that it is open for
	known  map[netip.Addr][]*nftables.Set // where they are elements, unless they timed out
	ready  map[netip.Addr]*renewal        // of those that are, or were, elements of all their sets
	// generation is the rule set's after our last change. Another means that somebody changed something.
	generation uint32
	reject     bool // late packets are answered with a reset: the kernel can
}

var _ fence = (*nftFence)(nil)

// openNFT makes the tables anew, with what an earlier life left open, in one step.
func openNFT(managed []netip.Addr, links []string, counts *counts) (_ *nftFence, err error) {
	f := &nftFence{
		counts: counts, managed: managed, links: links, parting: map[netip.Addr]Lease{}, heir: len(managed) == 0,
		leases: map[netip.Addr]Lease{}, known: map[netip.Addr][]*nftables.Set{}, ready: map[netip.Addr]*renewal{}, reject: true,
	}
	if f.conn, err = nftables.New(nftables.AsLasting()); err != nil {
		return nil, err
	}
	if f.asker, err = openRequester(unix.NETLINK_NETFILTER); err != nil {
		return nil, errors.Join(err, f.conn.CloseLasting())
	}
	f.inherit()
	err = f.rebuild()
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) {
		f.reject = false // a kernel without reject in prerouting: silence must do
		err = f.rebuild()
	}
	if err != nil {
		return nil, errors.Join(err, f.closeSockets())
	}
	return f, nil
}

// NFTables asks whether the kernel answers for nftables in the network namespace of the calling thread. The error is the
// kernel's.
func NFTables() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	_, err = c.ListTables()
	return err
}

// eraseNFT removes what a fence of nftables left in force: nobody would open it again. Where the kernel has no nftables
// there is nothing.
func eraseNFT() error {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	tables, err := c.ListTables()
	if err != nil || !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == tableName }) {
		return nil
	}
	newLayout().erase(c)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("%w but that of an earlier life, whose nftables tables %s cannot be removed: %w", ErrFence, tableName, err)
	}
	return nil
}

func (f *nftFence) mode() FenceMode { return FenceNFTables }

func (f *nftFence) closeSockets() error { return errors.Join(f.conn.CloseLasting(), f.asker.close()) }

// close leaves the tables to those that still have an address and, where none is left, to the late packets of
// those who have not noticed yet. What an heir leaves ends by itself, since perhaps nobody comes after it.
func (f *nftFence) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if f.heir || !f.anyOpen() {
		err = f.leave()
	}
	return errors.Join(err, f.closeSockets())
}

// leave writes the tables for the last time: addresses are managed until the last lease and the farewell are over,
// or for as long as an earlier life said.
func (f *nftFence) leave() error {
	var longest time.Duration
	for _, lease := range f.leases {
		longest = max(longest, lease())
	}
	stays := map[netip.Addr]time.Duration{}
	for _, ip := range f.managed {
		left := longest + farewell
		if parting := f.parting[ip]; parting != nil {
			left = parting()
		}
		if left > 0 {
			stays[ip] = left
		}
	}
	if len(stays) == 0 {
		newLayout().erase(f.conn)
		return f.conn.Flush()
	}
	return f.write(stays)
}

// inherit takes over what an earlier life left open, for the time it has left, and which addresses it managed if
// nobody says. That there is nothing to read is no error.
func (f *nftFence) inherit() {
	read := time.Now()
	earlier := newLayout()
	if f.heir {
		for _, e := range f.elements(earlier.links) {
			f.links = append(f.links, linkOf(e))
		}
	}
	left := func(e nftables.SetElement) Lease { return func() time.Duration { return e.Expires - time.Since(read) } }
	for _, four := range []bool{true, false} {
		for _, e := range f.elements(earlier.ip[four].in) {
			if ip, ok := netip.AddrFromSlice(e.Key); ok && e.Expires > 0 {
				f.leases[ip] = left(e)
			}
		}
		if !f.heir {
			continue
		}
		for _, e := range f.elements(earlier.ip[four].managed) {
			if ip, ok := netip.AddrFromSlice(e.Key); ok {
				f.managed = append(f.managed, ip)
				if e.Timeout > 0 {
					f.parting[ip] = left(e)
				}
			}
		}
	}
}

// elements returns what is in a set, nothing if there is no such set.
func (f *nftFence) elements(set *nftables.Set) []nftables.SetElement {
	list, err := f.conn.GetSetElements(set)
	if err != nil {
		return nil
	}
	return list
}

// An element that is written late ends late, by as much as the write waited for a change of somebody else's to the rule set.
// That is put right by writing it once more; the next renewal comes soon.
const (
	lateWrite = 5 * time.Millisecond
	writesMax = 2
)

func (f *nftFence) open(ip netip.Addr, lease Lease) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, renewed := f.leases[ip]
	f.leases[ip] = lease
	for range writesMax {
		left := lease()
		if left <= 0 {
			return errors.Join(ErrTooLate, f.shutLocked(ip, both))
		}
		if err := f.renew(ip, left); err != nil {
			return fmt.Errorf("%w: %w", ErrFence, err)
		}
		if left-lease() <= lateWrite {
			break
		}
	}
	// The timeout counts from the write. An agent that stood still before it has opened the fence for a lease
	// that is over (F12).
	if lease() <= 0 {
		return errors.Join(ErrTooLate, f.shutLocked(ip, both))
	}
	if !renewed {
		return nil // on the way to the first announcement; the renewal that follows looks
	}
	return f.inspect()
}

func (f *nftFence) left(ip netip.Addr) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if lease := f.leases[ip]; lease != nil && slices.Contains(f.managed, ip) {
		return max(0, lease())
	}
	return 0
}

// anyOpen reports whether an address's lease is in force.
func (f *nftFence) anyOpen() bool {
	for _, lease := range f.leases {
		if lease() > 0 {
			return true
		}
	}
	return false
}

// renew gives an address's elements a new timeout. Kernels before 6.12 cannot change that of an element, so
// it is deleted and added in one transaction.
func (f *nftFence) renew(ip netip.Addr, left time.Duration) error {
	present := f.known[ip]
	if r := f.ready[ip]; r != nil && len(present) == len(r.timeouts) && f.transact(r.lasting(left)) == nil {
		return nil
	}
	opened := f.layout.setsOf(ip, both)
	err := f.transact(append(deletions(present, ip), insertions(opened, ip, left)...))
	if errors.Is(err, unix.ENOENT) && len(present) > 0 { // one of them has timed out since, or somebody removed it
		if err = f.removeEach(present, ip); err == nil {
			err = f.transact(insertions(opened, ip, left))
		}
	}
	if errors.Is(err, unix.ENOENT) { // the tables are gone
		f.counts.fenceRestored.Add(1)
		return f.rebuild()
	}
	if err == nil {
		f.known[ip] = opened
		f.ready[ip] = newRenewal(ip, opened)
	}
	return err
}

func (f *nftFence) shut(ip netip.Addr, d direction) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.shutLocked(ip, d); err != nil {
		return fmt.Errorf("%w: shut: %w", ErrFence, err)
	}
	return nil
}

func (f *nftFence) guards(ip netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.reject || !slices.Contains(f.managed, ip) {
		return false
	}
	generation, err := f.askGeneration()
	return err == nil && generation == f.generation // else somebody may have changed the rules that drop
}

func (f *nftFence) shutLocked(ip netip.Addr, d direction) error {
	f.forget(ip)
	var those, others []*nftables.Set
	for _, set := range f.known[ip] {
		if slices.Contains(f.layout.setsOf(ip, d), set) {
			those = append(those, set)
		} else {
			others = append(others, set)
		}
	}
	if len(those) == 0 {
		return nil
	}
	err := f.transact(deletions(those, ip))
	if errors.Is(err, unix.ENOENT) {
		err = f.removeEach(those, ip)
	}
	if err != nil {
		return err // whatever is still there is to be known the next time
	}
	if f.known[ip] = others; len(others) == 0 {
		delete(f.known, ip)
	}
	return nil
}

// forget has an address open no more after the tables were made anew.
func (f *nftFence) forget(ip netip.Addr) {
	if _, open := f.leases[ip]; open {
		f.counts.fenceClosed.Add(1)
	}
	delete(f.leases, ip)
}

// removeEach takes an address out of sets that may not have it, one after the other.
func (f *nftFence) removeEach(sets []*nftables.Set, ip netip.Addr) error {
	var errs []error
	for i := range sets {
		if err := f.transact(deletions(sets[i:i+1], ip)); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// transact changes elements, all or none.
func (f *nftFence) transact(changes []change) error {
	err := f.asker.transact(changes)
	if err == nil {
		f.generation++
	}
	return err
}

// rebuild makes the tables anew with what is open.
func (f *nftFence) rebuild() error {
	lasting := map[netip.Addr]time.Duration{}
	for _, ip := range f.managed {
		lasting[ip] = 0
	}
	return f.write(lasting)
}

// write makes the tables anew with what is open and the addresses that are managed, each for a time or, if it is
// zero, for good. What had to wait is written once more, as in open.
func (f *nftFence) write(managed map[netip.Addr]time.Duration) error {
	for range writesMax {
		late, err := f.replace(managed)
		if err != nil {
			return err
		}
		if late <= lateWrite {
			break
		}
	}
	var errs []error
	for ip, lease := range f.leases {
		if lease() <= 0 { // as in open
			errs = append(errs, f.shutLocked(ip, both))
		}
	}
	generation, err := f.askGeneration()
	f.generation = generation
	return errors.Join(append(errs, err)...)
}

// replace writes the tables in one transaction, and tells by how much an element of what is open may end late. If it
// fails, what was there before is what is known.
func (f *nftFence) replace(managed map[netip.Addr]time.Duration) (late time.Duration, err error) {
	tables, holds := newLayout(), filling{}
	for _, name := range f.links {
		holds.addLink(tables.links, name)
	}
	for ip, length := range managed {
		holds.add(tables.managedSets(ip), ip, length)
	}
	written, known := map[netip.Addr]time.Duration{}, map[netip.Addr][]*nftables.Set{}
	for ip, lease := range f.leases {
		if left := lease(); left > 0 {
			written[ip], known[ip] = left, tables.setsOf(ip, both)
			holds.add(known[ip], ip, left)
		}
	}
	tables.write(f.conn, f.reject, holds)
	if err := f.conn.Flush(); err != nil {
		return 0, err
	}
	f.layout, f.known = tables, known
	for ip, left := range written {
		late = max(late, left-f.leases[ip]())
	}
	return late, nil
}

// inspect looks whether somebody else has changed the rule set, and if so whether ours is still whole.
func (f *nftFence) inspect() error {
	generation, err := f.askGeneration()
	if err != nil || generation == f.generation {
		return err
	}
	if f.layout.stands(f.conn, f.reject, len(f.links), len(f.managed)) {
		f.generation = generation
		return nil
	}
	f.counts.fenceRestored.Add(1)
	return f.rebuild()
}

// askGeneration returns the number of the rule set's newest change, whoever made it.
func (f *nftFence) askGeneration() (generation uint32, err error) {
	const request = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN
	err = f.asker.get(request, make([]byte, nfgenHeaderBytes), func(answer []byte) error {
		if len(answer) < nfgenHeaderBytes {
			return errShortAnswer
		}
		return eachAttribute(answer[nfgenHeaderBytes:], func(kind uint16, value []byte) {
			if kind == unix.NFTA_GEN_ID && len(value) == 4 {
				generation = binary.BigEndian.Uint32(value)
			}
		})
	})
	return generation, err
}

// nfgenHeaderBytes is the length of netfilter's header: family, version, resource.
const nfgenHeaderBytes = 4

var errShortAnswer = errors.New("netfilter's answer is too short")
