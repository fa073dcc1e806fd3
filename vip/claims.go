package vip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// roundsAtOnce rounds of sightings are told as they come; after that one each roundPause. It bounds what
	// a host that floods the link with claims can cost those who hear of them; the rest is counted.
	roundsAtOnce = 16
	roundPause   = 100 * time.Millisecond
	// pendingMax is how many different claims may wait for the next round.
	pendingMax = 16
)

// WatchClaims calls each with every claim that somebody else makes of one of the addresses, on that address's
// link, one call at a time: the sender of an ARP packet, the target of a neighbour advertisement. What this
// host's own links say is none. Only one watch may run.
//
// It returns when ctx ends (with its error), the Manager is closed (with ErrClosed), or the kernel fails. It
// does not promise to see every claim: a switch brings others' answers only to those who asked.
func (m *Manager) WatchClaims(ctx context.Context, addresses []Address, each func(Sighting)) error {
	end, err := m.begin()
	if err != nil {
		return fmt.Errorf("vip: watch claims: %w", err)
	}
	defer end()
	w := &claimWatch{Manager: m, addresses: addresses, filled: make(chan struct{}, 1)}
	var ips []netip.Addr
	for _, a := range addresses {
		if err := a.check(); err != nil {
			return fmt.Errorf("vip: watch claims of %s: %w", a, err)
		}
		if ip := a.Prefix.Addr(); !slices.Contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(ErrClosed) })()
	var overhearing sync.WaitGroup
	overhearing.Go(func() { cancel(m.kernel.overhear(ctx, ips, w.heard)) })
	cancel(w.tellAll(ctx, each))
	overhearing.Wait()
	return fmt.Errorf("vip: watch claims: %w", context.Cause(ctx))
}

// claimWatch stands between frames, which come as they come, and those who are told of them.
type claimWatch struct {
	*Manager
	addresses []Address
	filled    chan struct{} // holds something while pending does

	mu      sync.Mutex
	pending []pendingClaim // in the order of their first frames
}

// pendingClaim is a claim heard on a link and not told yet.
type pendingClaim struct {
	index int
	claim
	times int
}

// heard takes a frame in. It runs as often as frames come and so does the least.
func (w *claimWatch) heard(index int, frame []byte) {
	c, ok := claimIn(frame)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.IndexFunc(w.pending, func(p pendingClaim) bool { return p.index == index && p.claim == c })
	switch {
	case at >= 0:
		w.pending[at].times++
		return
	case len(w.pending) >= pendingMax:
		w.counts.claimsLost.Add(1)
		return
	}
	w.pending = append(w.pending, pendingClaim{index, c, 1})
	select {
	case w.filled <- struct{}{}:
	default:
	}
}

func (w *claimWatch) take() []pendingClaim {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.pending
	w.pending = nil
	return list
}

// tellAll tells what is heard, round by round, until ctx ends or the links cannot be listed.
func (w *claimWatch) tellAll(ctx context.Context, each func(Sighting)) error {
	var due time.Time // of a round, if there had been one each roundPause for ever
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.filled:
		}
		now := time.Now()
		if oldest := now.Add(-roundsAtOnce * roundPause); due.Before(oldest) {
			due = oldest
		}
		due = due.Add(roundPause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(due.Sub(now)):
		}
		if err := w.tell(w.take(), each); err != nil {
			return err
		}
	}
}

// tell tells one round. The links are asked for anew each time: their numbers and hardware addresses change.
func (w *claimWatch) tell(list []pendingClaim, each func(Sighting)) error {
	links, err := w.kernel.links()
	if err != nil {
		return err
	}
	for _, p := range list {
		if slices.ContainsFunc(links, func(l Link) bool { return string(l.MAC) == string(p.mac[:]) }) {
			continue // our own, come back by a loop or another card
		}
		for _, a := range w.addresses {
			on := func(l Link) bool { return l.Index == p.index && l.Name == a.Link }
			if a.Prefix.Addr() == p.ip && slices.ContainsFunc(links, on) {
				w.counts.claims.Add(uint64(p.times))
				each(Sighting{Address: a, MAC: net.HardwareAddr(slices.Clone(p.mac[:])), Times: p.times})
			}
		}
	}
	return nil
}
