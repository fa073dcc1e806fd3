package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// waiter is one goroutine that waits until the record looks a certain way.
type waiter struct {
	holds func(now Instant) bool // called with Record.mu held
	done  chan struct{}
}

// settle lets go of the waiters whose condition has come true. The client calls it after every
// batch of events, at least once each millisecond.
func (r *Record) settle(now Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.waiters[:0]
	for _, w := range r.waiters {
		if w.holds(now) {
			close(w.done)
			continue
		}
		left = append(left, w)
	}
	clear(r.waiters[len(left):])
	r.waiters = left
}

// ErrNotInTime is wrapped by the errors of all waits that ran into their deadline.
var ErrNotInTime = errors.New("not in time")

// await waits until holds, at most as long as ctx allows. what completes the sentence "want ...".
func (r *Record) await(ctx context.Context, what string, holds func(now Instant) bool) error {
	w := &waiter{holds: holds, done: make(chan struct{})}
	r.mu.Lock()
	r.waiters = append(r.waiters, w)
	r.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.waiters {
		if r.waiters[i] == w {
			r.waiters = append(r.waiters[:i], r.waiters[i+1:]...)
			return fmt.Errorf("lab: want %s: %w; %s", what, ErrNotInTime, r.situation())
		}
	}
	return nil // it came true while ctx ended
}

// situation tells in one line where things stand. The caller holds mu.
func (r *Record) situation() string {
	now := Now()
	var parts []string
	for i := range r.vips {
		p := &r.vips[i]
		said := "never answered"
		if host, at, ok := r.last(p); ok {
			said = fmt.Sprintf("last answer by %s %.0f ms ago", quoteHost(host), ms(now.Sub(at)))
		}
		if n := len(p.failed); n > 0 && now.Sub(p.failed[n-1].At) < time.Second {
			f := p.failed[n-1]
			said += fmt.Sprintf(", last failure %s %s", f.Why, f.Detail)
		}
		parts = append(parts, fmt.Sprintf("%s: %s", p.addr, strings.TrimSpace(said)))
	}
	return strings.Join(parts, "; ")
}

// WaitServed waits until the host answers an attempt through the VIP that was sent after the call.
// Host "" stands for any.
func (r *Record) WaitServed(ctx context.Context, vip netip.Addr, host string) error {
	asked := Now()
	who := host
	if host == "" {
		who = "any host"
	}
	return r.await(ctx, fmt.Sprintf("%s served by %s", vip, who), func(Instant) bool {
		return r.servedSince(r.at(vip), host, asked)
	})
}

// WaitMoved waits until a host of the lab that is not the one named answers an attempt through the VIP that was sent
// after the call, and returns its name.
func (r *Record) WaitMoved(ctx context.Context, vip netip.Addr, from string) (to string, err error) {
	asked := Now()
	err = r.await(ctx, fmt.Sprintf("%s served by another host than %s", vip, from), func(Instant) bool {
		p := r.at(vip)
		if !r.servedSince(p, "", asked) {
			return false
		}
		to = r.host(p.answers[len(p.answers)-1].server)
		return to != from && to != ""
	})
	if err != nil {
		return "", err
	}
	return to, nil
}

// servedSince reports whether the newest answer is that host's, to a request sent after the instant.
func (r *Record) servedSince(p *vipRecord, host string, asked Instant) bool {
	if len(p.answers) == 0 {
		return false
	}
	a := p.answers[len(p.answers)-1]
	return a.Sent > asked && (host == "" || r.host(a.server) == host)
}

// WaitAllServed waits until every VIP is answered for, each by the host that wanted names; a VIP
// that wanted does not name may be answered for by any.
func (r *Record) WaitAllServed(ctx context.Context, wanted map[netip.Addr]string) error {
	asked := Now()
	return r.await(ctx, fmt.Sprintf("every VIP served %v", wanted), func(Instant) bool {
		for i := range r.vips {
			if !r.servedSince(&r.vips[i], wanted[r.vips[i].addr], asked) {
				return false
			}
		}
		return true
	})
}

// WaitNotServed waits until a VIP has given no answer for the length of quiet, counted from the call on.
func (r *Record) WaitNotServed(ctx context.Context, vip netip.Addr, quiet time.Duration) error {
	asked := Now()
	return r.await(ctx, fmt.Sprintf("%s silent for %s", vip, quiet), func(now Instant) bool {
		since := asked
		if _, at, ok := r.last(r.at(vip)); ok {
			since = max(since, at)
		}
		return now.Sub(since) >= quiet
	})
}

// WaitQuiet waits until for the length of calm, counted from the call on, no attempt failed, no VIP changed
// its host and each answered at its end.
func (r *Record) WaitQuiet(ctx context.Context, calm time.Duration) error {
	asked := Now()
	return r.await(ctx, fmt.Sprintf("nothing happening for %s", calm), func(now Instant) bool {
		for i := range r.vips {
			p := &r.vips[i]
			_, at, ok := r.last(p)
			if !ok || now.Sub(at) > calm/2 {
				return false
			}
			since := max(asked, p.turned)
			if n := len(p.failed); n > 0 {
				since = max(since, p.failed[n-1].At)
			}
			if now.Sub(since) < calm {
				return false
			}
		}
		return true
	})
}

// WaitFor lets the client run for a while. It is not for synchronization: it is how long a measurement lasts.
func (r *Record) WaitFor(ctx context.Context, d time.Duration) error {
	asked := Now()
	return r.await(ctx, fmt.Sprintf("%s to pass", d), func(now Instant) bool { return now.Sub(asked) >= d })
}
