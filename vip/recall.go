package vip

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Connections that died with the former holder of an address are known to their clients only, who wait for an answer or
// for their own retransmission, which doubles its pause each time. A recall has them ended at once: to every client that
// Options.Former names goes an ACK that means nothing. Its kernel answers with one that bears the connection's true
// numbers, and ours, which knows no such connection, resets it by those. To a client that has connected again by the same
// ports both are nothing new, and to one that has gone they are of no connection.

const (
	// recallsPerSecond bounds the packets of all recalls together, and recallBurst those that go out without a pause: the
	// clients of one address. A packet takes some 5 us of a core here.
	recallsPerSecond = 20_000
	recallBurst      = 1024
	// directedMax bounds the neighbours that an announcement is sent to one by one. Clients beyond a router share its MAC.
	directedMax = 64
)

// A recall is one address's.
type recall struct {
	address Address
	link    Link
	lease   Lease
	clients []Client
}

// recallOn recalls the clients of an address until that is done, stop is called, or the Manager closes.
func (m *Manager) recallOn(a Address, link Link, lease Lease) (stop func()) {
	if m.former == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(m.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.recall(ctx, recall{a, link, lease, m.former(a.Prefix.Addr())})
	}()
	return func() { cancel(); <-ended }
}

func (m *Manager) recall(ctx context.Context, r recall) {
	if len(r.clients) == 0 {
		return
	}
	for n := 0; ; n++ {
		wait, more := RecallSchedule(n)
		if !more {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if !m.recallRound(ctx, r, uint32(n)<<30) {
			return
		}
	}
}

// recallRound sends each neighbour and each client its packet, and reports whether there may be another round.
func (m *Manager) recallRound(ctx context.Context, r recall, sequence uint32) bool {
	may := func() bool { return m.recalls.Wait(ctx) == nil && !r.lease.over() }
	for _, frame := range r.directed() {
		if !may() {
			return false
		}
		counted(m.kernel.send(r.link.Index, frame), &m.counts.directed, &m.counts.recallFailed)
	}
	ip := r.address.Prefix.Addr()
	for _, c := range r.clients {
		if c.Peer.Addr().Is4() != ip.Is4() {
			continue
		}
		if !may() {
			return false
		}
		packet := tickle(netip.AddrPortFrom(ip, c.Port), c.Peer, sequence)
		counted(m.kernel.sendPacket(packet, ip, c.Peer.Addr()), &m.counts.tickled, &m.counts.recallFailed)
	}
	return true
}

// directed returns the address's announcement for each of the neighbours by whom the clients are reached.
func (r recall) directed() [][]byte {
	frames, err := announcement(r.link.MAC, r.address.Prefix.Addr())
	if err != nil {
		return nil
	}
	told := map[MAC]bool{MAC(r.link.MAC): true}
	var list [][]byte
	for _, c := range r.clients {
		if len(told) > directedMax {
			break
		}
		if c.MAC.ofOneHost() && !told[c.MAC] {
			told[c.MAC] = true
			list = append(list, directed(frames, c.MAC)...)
		}
	}
	return list
}

// counted counts what was sent or was not.
func counted(err error, sent, failed *atomic.Uint64) {
	if err != nil {
		failed.Add(1)
		return
	}
	sent.Add(1)
}

func newRecallLimit() *rate.Limiter { return rate.NewLimiter(recallsPerSecond, recallBurst) }
