package sim

import (
	"time"

	"memvip/agent/core"
)

// address is one VIP on one host: what the kernel has of it, and the agent's worker that changes it.
type address struct {
	up       bool
	fence    int64 // packets pass before; real time
	lifetime int64 // the kernel removes the address then
	tenure   int   // the VIP's, when it came up here; 0 once its connections were destroyed
	watched  bool  // a task looks at fence and lifetime when they end
	conns    []*conn

	// The worker's, which does one order after the other.
	busy    int64
	lease   *deadline // of the newest take; nil: none
	orders  int
	take    int  // the newest take's number
	taking  bool // a take is not done
	dropDue bool // the newest order is a drop that is not done
	refused bool // the kernel refuses to remove it

	schedule int // of announcements, the newest's number
}

// deadline is how long a lease lasts, by the agent's clock, as the newest order says.
type deadline struct{ until core.Instant }

// begin forgets the worker of an earlier agent.
func (a *address) begin() { a.busy, a.lease, a.orders, a.take, a.dropDue = 0, nil, 0, 0, false }

// disconnect destroys the address's connections. What memcached received on them and has not executed stays
// with memcached.
func (a *address) disconnect() {
	for _, c := range a.conns {
		c.destroy()
	}
	a.conns = nil
}

// gone is what is left of an address when its host loses power.
func (a *address) gone() { *a = address{} }

// jiffy is the grain of the kernel's timers.
const jiffy = 4 * ms

// lifetimeOf is how long an address lives after a refresh: a valid_lft of 3 s and what the kernel adds.
const lifetimeOf = 3200 * ms

// order has the VIP's worker do something after what it was told before.
func (h *host) order(v int, takes int64, do func()) {
	a := &h.addresses[v]
	a.busy = max(a.busy, h.now) + takes
	h.later(a.busy-h.now, do)
}

func (h *host) orderTake(v int, e core.TakeAddress) {
	a := &h.addresses[v]
	lease := &deadline{e.Until}
	a.lease, a.dropDue, a.taking = lease, false, true
	a.orders++
	a.take = a.orders
	h.order(v, h.between(50*us, 600*us), func() {
		h.addresses[v].taking = false
		if h.reads() >= lease.until {
			h.feed(core.AddressFailed{Name: e.Name, Term: e.Term, Err: "its lease was over"})
			return
		}
		if h.outlives(h.left(lease)) {
			h.feed(core.AddressFailed{Name: e.Name, Term: e.Term, Err: "its lease ends before the address would"})
			return
		}
		h.guard(v, h.left(lease))
		h.putUp(v)
		h.announce(v, lease)
		h.spring(whenUp)
		h.later(h.between(10*us, 100*us), func() { h.feed(core.AddressUp{Name: e.Name, Term: e.Term}) })
	})
}

// left is what is left of a lease by the host's own clock, read now.
func (h *host) left(lease *deadline) int64 { return int64(lease.until - h.reads()) }

func (h *host) orderProlong(v int, e core.ProlongAddress) {
	a := &h.addresses[v]
	if a.lease == nil {
		return
	}
	lease := a.lease
	lease.until = e.Until
	if a.taking {
		return
	}
	h.order(v, h.between(20*us, 200*us), func() {
		if h.reads() >= lease.until {
			return
		}
		h.guard(v, h.left(lease))
		if !h.addresses[v].up && !h.outlives(h.left(lease)) { // other hands removed it, or its lifetime ended
			h.putUp(v)
			h.announce(v, lease)
			h.feed(core.AddressRestored{Name: e.Name})
		}
	})
}

func (h *host) orderDrop(v int) {
	a := &h.addresses[v]
	if a.lease != nil {
		a.lease.until = 0
		a.lease = nil
	}
	if a.dropDue {
		return
	}
	a.dropDue = true
	a.orders++
	number, begun := a.orders, h.now
	takes := h.between(100*us, 3*ms)
	if h.random.IntN(20) == 0 {
		takes = h.between(3*ms, 8*ms)
	}
	h.order(v, takes, func() {
		a := &h.addresses[v]
		if a.orders == number {
			a.dropDue = false
		}
		down := core.AddressDown{Name: h.vips[v].name, Took: time.Duration(h.now - begun)}
		if a.refused && a.up {
			a.fence, down.Err = 0, "device or resource busy"
			h.look()
		} else {
			h.takeDown(v, byAgent)
		}
		if a.take < number {
			h.feed(down)
		}
	})
}

// guard renews the fences of an address for as long as the lease is known to last.
func (h *host) guard(v int, left int64) {
	a := &h.addresses[v]
	if h.shape.Fence.kernel() {
		a.fence = h.now + h.real(left) + h.random.Int64N(jiffy)
	}
	if h.shape.Fence.lifetime() && !h.outlives(left) {
		a.lifetime = h.now + lifetimeOf
	}
	h.watchFence(v)
	if a.up {
		h.judgeAnswers(v)
	}
}

// outlives reports whether an address that is put up or refreshed now would stand longer than its lease, with
// nothing but its lifetime to end it.
func (h *host) outlives(left int64) bool {
	return h.shape.Fence == FenceLifetime && h.real(left) <= lifetimeOf
}

// real turns a time of the host's clock into real time.
func (h *host) real(d int64) int64 { return d - d/1000*h.clock.ppm/1000 }

// watchFence has somebody look when a fence closes.
func (h *host) watchFence(v int) {
	a := &h.addresses[v]
	if a.watched {
		return
	}
	end := a.fence
	if h.shape.Fence == FenceLifetime {
		end = a.lifetime
	}
	if end <= h.now && a.lifetime > h.now {
		end = a.lifetime
	}
	if end <= h.now {
		return
	}
	a.watched = true
	h.after(end-h.now, func() {
		a.watched = false
		if h.shape.Fence.lifetime() && a.up && h.now >= a.lifetime {
			h.takeDown(v, byLifetime)
		}
		h.look()
		h.watchFence(v)
	})
}

// putUp adds the address to its link. Where other hands took it off, or an earlier agent left it, and
// nobody else had it since, the VIP is served as before.
func (h *host) putUp(v int) {
	a := &h.addresses[v]
	again := a.tenure != 0 && a.tenure == h.vips[v].tenure
	if a.up && again {
		return
	}
	a.up = true
	h.seen.Moves++
	h.note("%s: %s UP", h.name, h.vips[v].name)
	if !again {
		h.vips[v].tenure++
		a.tenure = h.vips[v].tenure
	}
	h.judgeArrival(v)
	h.look()
}

// takeDown removes the address, its connections first.
func (h *host) takeDown(v int, who string) {
	a := &h.addresses[v]
	a.fence, a.lifetime = 0, 0
	if who != byLifetime {
		a.disconnect()
		a.tenure = 0
	}
	if !a.up {
		return
	}
	a.up = false
	h.note("%s: %s down (%s)", h.name, h.vips[v].name, who)
	h.look()
}

// Who takes an address down. The kernel does not destroy connections when it does.
const (
	byAgent    = "agent"
	byCleanup  = "cleanup"
	byLifetime = "its lifetime"
)

// answers reports whether the host answers on a VIP, for anybody who can reach it.
func (h *host) answers(v int) bool {
	a := &h.addresses[v]
	return h.on && a.up && (!h.shape.Fence.kernel() || h.now < a.fence)
}

// announce tells everybody where the VIP is, again and again while the lease lasts, or until it begins anew.
func (h *host) announce(v int, lease *deadline) {
	a := &h.addresses[v]
	a.schedule++
	h.announceOn(v, lease, a.schedule, 0)
}

func (h *host) announceOn(v int, lease *deadline, schedule, n int) {
	a := &h.addresses[v]
	if h.reads() >= lease.until || !a.up || a.schedule != schedule {
		return
	}
	h.speak(v)
	pause := 1100 * ms
	if n >= 5 {
		pause = 60 * s
	}
	h.later(pause, func() { h.announceOn(v, lease, schedule, n+1) })
}

// speak is one announcement.
func (h *host) speak(v int) {
	for _, c := range h.clients {
		if c.reaches(h) && h.random.IntN(50) > 0 {
			h.after(h.between(20*us, 300*us), func() { c.hearARP(v, h) })
		}
	}
	for _, o := range h.hosts {
		if o != h && h.nic && h.now >= h.net.cut[h.id][o.id] {
			o.hearClaim(v, h.mac())
		}
	}
}
