package vip

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// fakeKernel is a kernel in memory. It knows what the contract tests need, counts lifetimes by the clock
// of the test, and refuses what the real one refuses. What happens to it is written down in order.
type fakeKernel struct {
	mu       sync.Mutex
	list     []Link // without prefixes
	there    map[int][]fakeAddress
	dialed   []*fakeConnection
	near     map[netip.Addr]MAC // the neighbours
	routers  map[netip.Addr]netip.Addr
	journal  []string
	frames   []sentFrame
	packets  []sentPacket
	changed  chan struct{} // closed and replaced at every change
	byOthers []removal     // not told yet
	closed   bool

	ear *fakeEar // nil: nobody overhears

	// fail, if set, is asked before every operation.
	fail func(operation string) error
	// reconnect, if set, makes a destroyed connection come back while its address is there.
	reconnect bool
	// immortal, if set, makes every attempt to destroy a connection fail silently.
	immortal bool
	// old, if set, makes it forget by which protocol an address was added, as Linux before 5.18.
	old bool
}

type sentFrame struct {
	at    time.Time
	bytes []byte
}

type sentPacket struct {
	at    time.Time
	bytes []byte
	to    netip.Addr
}

type fakeAddress struct {
	present
	until time.Time // zero for ever
}

type fakeConnection struct {
	id    uint16
	local netip.Addr
	quiet time.Duration // as a look finds it
	// ended is nil while it lives. Invariant: a reset can only be sent while the address is there.
	ended error
}

func newFakeKernel() *fakeKernel {
	k := &fakeKernel{there: map[int][]fakeAddress{}, changed: make(chan struct{})}
	k.list = []Link{
		{Name: "lo", Index: 1, Up: true, MAC: make(net.HardwareAddr, 6)},
		{Name: hostLink, Index: 2, Up: true, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}},
	}
	k.there[2] = []fakeAddress{{present: present{LinkIndex: 2, Prefix: hostIP4, Label: hostLink}}}
	return k
}

// step begins an operation: it is written down, lifetimes run out, and the test may make it fail.
func (k *fakeKernel) step(format string, args ...any) error {
	operation := fmt.Sprintf(format, args...)
	if k.closed {
		return fmt.Errorf("fake kernel: %s after close", operation)
	}
	k.expire()
	k.journal = append(k.journal, operation)
	if k.fail != nil {
		return k.fail(operation)
	}
	return nil
}

func (k *fakeKernel) expire() {
	for index, list := range k.there {
		k.there[index] = slices.DeleteFunc(list, func(a fakeAddress) bool {
			return !a.until.IsZero() && !time.Now().Before(a.until)
		})
	}
}

func (k *fakeKernel) tellChange() {
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *fakeKernel) links() ([]Link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("list links"); err != nil {
		return nil, err
	}
	var list []Link
	for _, link := range k.list {
		link.MAC = slices.Clone(link.MAC)
		for _, a := range k.there[link.Index] {
			link.Prefixes = append(link.Prefixes, a.Prefix)
		}
		list = append(list, link)
	}
	return list, nil
}

func (k *fakeKernel) link(name string) (Link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("get link %s", name); err != nil {
		return Link{}, err
	}
	for _, link := range k.list {
		if link.Name == name {
			return link, nil
		}
	}
	return Link{}, ErrNoLink
}

func (k *fakeKernel) addresses(index int) ([]present, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("list addresses %d", index); err != nil {
		return nil, err
	}
	var list []present
	for on, there := range k.there {
		for _, a := range there {
			if index == 0 || on == index {
				list = append(list, a.present)
			}
		}
	}
	return list, nil
}

func (k *fakeKernel) position(index int, prefix netip.Prefix) int {
	return slices.IndexFunc(k.there[index], func(a fakeAddress) bool { return a.Prefix == prefix })
}

func (k *fakeKernel) ours(index int, a Address) fakeAddress {
	protocol := uint8(tagProtocol)
	if k.old {
		protocol = 0
	}
	return fakeAddress{
		until: time.Now().Add(validLifetime),
		present: present{
			LinkIndex: index, Prefix: a.Prefix, Label: a.label(), Protocol: protocol,
			Flags: a.flags(), Valid: validLifetime,
		},
	}
}

func (k *fakeKernel) add(index int, a Address) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("add %s", a.Prefix); err != nil {
		return err
	}
	if slices.ContainsFunc(k.there[index], func(b fakeAddress) bool {
		return b.Prefix == a.Prefix || b.Prefix.Addr() == a.Prefix.Addr() && a.Prefix.Addr().Is6()
	}) {
		return unix.EEXIST
	}
	k.there[index] = append(k.there[index], k.ours(index, a))
	k.tellChange()
	return nil
}

func (k *fakeKernel) refresh(index int, a Address) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("refresh %s", a.Prefix); err != nil {
		return err
	}
	if at := k.position(index, a.Prefix); at >= 0 {
		k.there[index][at] = k.ours(index, a)
		return nil
	}
	k.there[index] = append(k.there[index], k.ours(index, a))
	k.tellChange()
	return nil
}

func (k *fakeKernel) remove(index int, a Address) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("remove %s", a.Prefix); err != nil {
		return err
	}
	return k.removeLocked(index, a.Prefix)
}

func (k *fakeKernel) removeLocked(index int, prefix netip.Prefix) error {
	at := k.position(index, prefix)
	if at < 0 {
		return unix.EADDRNOTAVAIL
	}
	k.there[index] = slices.Delete(k.there[index], at, at+1)
	k.tellChange()
	return nil
}

func (k *fakeKernel) routes(ip netip.Addr) bool {
	for _, list := range k.there {
		for _, a := range list {
			if a.Prefix.Addr() == ip {
				return true
			}
		}
	}
	return false
}

func (k *fakeKernel) connectLocked(ip netip.Addr) *fakeConnection {
	c := &fakeConnection{id: uint16(len(k.dialed) + 1), local: ip}
	k.dialed = append(k.dialed, c)
	return c
}

// socket is the kernel's name of it.
func (c *fakeConnection) socket() socket {
	s := socket{family: unix.AF_INET}
	binary.NativeEndian.PutUint16(s.id[:], c.id)
	return s
}

func (k *fakeKernel) sockets(locals ...netip.Addr) ([]socket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("list sockets"); err != nil {
		return nil, err
	}
	var list []socket
	for _, c := range k.dialed {
		if slices.Contains(locals, c.local) && c.ended == nil {
			list = append(list, c.socket())
		}
	}
	return list, nil
}

func (k *fakeKernel) destroy(list []socket) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("destroy %d", len(list)); err != nil {
		return 0, err
	}
	destroyed := 0
	for _, s := range list {
		c := k.dialed[binary.NativeEndian.Uint16(s.id[:])-1]
		if c.ended != nil || k.immortal {
			continue
		}
		destroyed++
		c.ended = unix.ETIMEDOUT
		if k.routes(c.local) {
			c.ended = unix.ECONNRESET
			if k.reconnect {
				k.connectLocked(c.local)
			}
		}
	}
	return destroyed, nil
}

func (k *fakeKernel) send(index int, frame []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("send"); err != nil {
		return err
	}
	for _, link := range k.list {
		if link.Index == index && !link.Up {
			return unix.ENETDOWN
		}
	}
	k.frames = append(k.frames, sentFrame{at: time.Now(), bytes: slices.Clone(frame)})
	return nil
}

func (k *fakeKernel) sendPacket(packet []byte, from, to netip.Addr) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("send packet"); err != nil {
		return err
	}
	if !k.routes(from) {
		return unix.EINVAL
	}
	k.packets = append(k.packets, sentPacket{at: time.Now(), bytes: slices.Clone(packet), to: to})
	return nil
}

func (k *fakeKernel) connections(ips []netip.Addr, each func(connection)) error {
	k.mu.Lock()
	err := k.step("list connections")
	list := slices.DeleteFunc(slices.Clone(k.dialed), func(c *fakeConnection) bool {
		return !slices.Contains(ips, c.local) || c.ended != nil
	})
	k.mu.Unlock()
	if err != nil {
		return err
	}
	for _, c := range list {
		each(connection{
			socket: c.socket(), local: netip.AddrPortFrom(c.local, wildPort), peer: netip.AddrPortFrom(peerIP4.Addr(), uint16(c.id)), quiet: c.quiet,
		})
	}
	return nil
}

func (k *fakeKernel) neighbours(int) (map[netip.Addr]MAC, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.near, k.step("list neighbours")
}

func (k *fakeKernel) router(_ int, ip netip.Addr) (netip.Addr, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.step("get route %s", ip); err != nil {
		return netip.Addr{}, err
	}
	if router, ok := k.routers[ip]; ok {
		return router, nil
	}
	return netip.Addr{}, unix.ENETUNREACH
}

func (k *fakeKernel) watch(ctx context.Context, changed func() error, removed func(removal)) error {
	for {
		k.mu.Lock()
		next, byOthers := k.changed, k.byOthers
		k.byOthers = nil
		k.mu.Unlock()
		for _, r := range byOthers {
			removed(r)
		}
		if err := changed(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		}
	}
}

// fakeEar hears what the filters that the real kernel is given let through.
type fakeEar struct {
	filters []*bpf.VM
	heard   func(index int, frame []byte)
}

func (k *fakeKernel) overhear(ctx context.Context, ips []netip.Addr, heard func(index int, frame []byte)) error {
	e := &fakeEar{heard: heard}
	for _, protocol := range []uint16{unix.ETH_P_ARP, unix.ETH_P_IPV6} {
		mine := (&ear{protocol: protocol}).speaksOf(ips)
		vm, err := bpf.NewVM(claimFilter(protocol, mine))
		if err != nil {
			return err
		}
		e.filters = append(e.filters, vm)
	}
	k.mu.Lock()
	err := k.step("overhear")
	if err == nil && k.ear != nil {
		err = errOverheard
	}
	if err != nil {
		k.mu.Unlock()
		return err
	}
	k.ear = e
	k.mu.Unlock()
	<-ctx.Done()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ear = nil
	return ctx.Err()
}

// receive is a frame that comes in on a link.
func (k *fakeKernel) receive(index int, frame []byte) {
	k.mu.Lock()
	e := k.ear
	k.mu.Unlock()
	if e == nil {
		return
	}
	which := e.filters[0]
	if binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IPV6 {
		which = e.filters[1]
	}
	if keep, err := which.Run(frame); err == nil && keep > 0 {
		e.heard(index, frame)
	}
}

func (k *fakeKernel) close() error { k.closed = true; return nil }

// fakeFence writes into the kernel's journal when it is shut.
type fakeFence struct{ *fakeKernel }

func (fakeFence) mode() FenceMode               { return FenceNFTables }
func (fakeFence) open(netip.Addr, Lease) error  { return nil }
func (fakeFence) left(netip.Addr) time.Duration { return 0 }

func (f fakeFence) shut(_ netip.Addr, d direction) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d == inbound {
		return f.step("shut inbound")
	}
	return f.step("shut both")
}

func (f fakeFence) guards(netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.step("guards") == nil
}
