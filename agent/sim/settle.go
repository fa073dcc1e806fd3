package sim

import (
	"slices"
	"time"

	"memvip/agent/core"
)

// What is promised once every fault has ended, in a cluster whose memcacheds can be proved.
//
// A VIP is served after at most: 5 s of silence of voters that lost their state, by a clock that may be
// slow; a second for a card or an agent that comes back; two leases in which a tainted node waits for a
// clean one; the restart or the flush that makes one, 2 s of quiet and 3 s at most; and two leases of
// waiting for hints, times left and back-offs. 12 s and four leases hold all of it. Where a voter stays dead, whoever served last
// waits 5 s for its word before it flushes, as 2 s of quiet and 3 s at most.
//
// It is at home after another 20 s, 5 s for every VIP, since one goes home at a time, and its own delay:
// failback_delay, doubled for every loss; and where other hands had taken it from its host again and again, a minute in which that
// host leaves it alone.
const (
	settling     = 2 * s // and two leases: what was lost just before the end is noticed
	servedWithin = 12 * s
	wordWithin   = 8 * s // a dead voter's word is waited for, and then a flush
	homeWithin   = 20 * s
	homeForEach  = 5 * s
	findAgain    = 4 * s // a client that no announcement reached gives up twice, after 1.5 s each, and asks
	restFor      = 5 * s
	lastAtLeast  = 60 * s
	lookEvery    = 100 * ms
)

// mend ends every fault.
func (w *World) mend() {
	w.note("--- every fault ends")
	w.mended = true
	w.net.heal()
	w.forgetStrangers()
	for _, c := range w.clients {
		clear(c.cut)
	}
	for _, h := range w.hosts {
		if h == w.spare {
			h.powerOff()
			continue
		}
		h.mend()
	}
}

// spared returns the voter of that number, if the others are a majority without it. It comes back without state, and so takes
// its file's voter list for the one in force: no host is to do that while the list is an operator's mistake. Nor does one stay dead
// before a change of the list has come to all: it would wait for that one's word, or for an operator's that it is switched off.
func (w *World) spared(voter int) *host {
	if voter == 0 || len(w.voters) < 3 || w.mistaken || !w.oneList() {
		return nil
	}
	return w.byName[w.voters[(voter-1)%len(w.voters)]][0]
}

// oneList reports whether every host last said that it goes by the same list, with none before it in force any more.
func (w *World) oneList() bool {
	list := w.hosts[0].said.List
	return list.Previous == 0 && !slices.ContainsFunc(w.hosts, func(h *host) bool { return h.said.List != list })
}

// mendSpare ends the last fault, and returns when.
func (w *World) mendSpare() int64 {
	w.note("--- %s comes back", w.spare.name)
	h := w.spare
	w.spare = nil
	h.mend()
	return w.now
}

func (h *host) mend() {
	if h.isClone() {
		h.remove()
		return
	}
	h.diskFull, h.diskSlow, h.spoilt = false, 50*us, false
	for v := range h.addresses {
		h.addresses[v].refused = false
	}
	h.powerOn()
	h.setNIC(true)
	h.thaw()
	h.after(20*ms, h.start)
	h.after(s, func() {
		if !h.runsConfigured() {
			h.reconfigure(h.World.voters)
		}
	})
	for _, in := range h.instances {
		in.mend()
	}
	h.after(600*ms, h.operate)
}

// operate is an operator who wants every host to serve, hand-backs to go on, and a VIP home that does not go by itself, and says so
// until it is.
func (h *host) operate() {
	h.feed(core.DrainRequested{On: false})
	h.feed(core.PauseRequested{On: false})
	if v := h.vips[0]; h.shape.Manual && v.home == h && !v.atHome {
		h.feed(core.HandbackRequested{Name: v.name})
	}
	h.after(s, h.operate)
}

// mend makes an instance one that can be proved.
func (in *instance) mend() {
	in.slowTo, in.busyTo, in.stuckTo = 0, 0, 0
	if in.keepsMemory || in.noFlush {
		in.exit()
		in.keepsMemory, in.noFlush = false, false
		in.empty()
	}
	in.run()
	in.unhang()
	in.work()
}

// mustServe reports whether the cluster is one that promises to serve: without a restart command, a host
// that serves its own VIP is never again clean for one that it served before, where both have one instance.
func (w *World) mustServe() bool { return w.shape.Restart || !w.shape.Shared }

// mustComeHome reports whether it promises to bring every VIP home. An instance that serves a VIP is never
// quiet and so cannot be proved for another that it had served: where one host is home of two VIPs, the
// second may have to wait for an operator.
func (w *World) mustComeHome() bool {
	return !w.shape.Shared || w.shape.Restart && w.shape.VIPs <= w.shape.Nodes
}

// settle watches a mended world come to rest.
func (w *World) settle() {
	mended := w.now
	w.until(mended + settling + 2*int64(w.lease))
	if !w.mustServe() {
		w.until(max(w.now, lastAtLeast))
		return
	}
	bound := servedWithin + 4*int64(w.lease)
	if w.spare != nil {
		bound += wordWithin
	}
	if !w.await(mended+bound, func() bool { return w.notServed() == nil }) {
		if w.broken == nil {
			w.fail(ruleServed, "%s after the last fault nobody serves %s", time.Duration(bound), w.notServed().name)
		}
		return
	}
	w.seen.Served = time.Duration(w.now - mended)
	if w.spare != nil {
		mended = w.mendSpare()
	}
	if w.mustComeHome() {
		bound += homeWithin + homeForEach*int64(len(w.vips)) + w.damping()
		if !w.await(max(mended, w.restedAt())+bound, func() bool { return w.notHome() == nil }) {
			if w.broken == nil {
				v := w.notHome()
				w.fail(ruleHome, "%s after the last fault %s is not on %s", time.Duration(bound), v.name, v.home.name)
			}
			return
		}
		w.seen.Home = time.Duration(w.now - mended)
		w.await(w.now+20*s, func() bool { return !w.rolling() })
		w.rest()
		w.judgeShare()
	}
	w.until(max(w.now, lastAtLeast))
}

// damping is the longest time that a home may have to wait for having lost its VIP so often.
func (w *World) damping() int64 {
	longest := int64(0)
	for _, v := range w.vips {
		longest = max(longest, int64(w.shape.Failback)<<min(v.lost, 20))
	}
	return min(longest, 3600*s)
}

// restedAt is when the last host takes a VIP again that other hands took from it four times within ten seconds, by a clock
// that may be slow; 0 if that has happened to none.
func (w *World) restedAt() int64 {
	const again, within, rest = 3, 11 * s, 62 * s
	at := int64(0)
	for _, v := range w.vips {
		for i, t := range v.removed {
			if i >= again && t-v.removed[i-again] < within {
				at = max(at, t+rest)
			}
		}
	}
	return at
}

// await lets time pass until something is so, and reports whether it was by then.
func (w *World) await(end int64, so func() bool) bool {
	for !so() && w.broken == nil {
		if w.now >= end {
			return false
		}
		w.until(w.now + lookEvery)
	}
	return w.broken == nil
}

// rest demands that nothing moves while nothing happens, and that every operation succeeds.
func (w *World) rest() {
	if w.until(w.now + findAgain); w.broken != nil {
		return
	}
	moves, failures := w.seen.Moves, w.seen.Failures
	w.until(w.now + restFor)
	if w.broken != nil {
		return
	}
	if n := w.seen.Moves - moves; n > 0 {
		w.fail(ruleRest, "%d addresses came up while nothing happened", n)
	}
	if n := w.seen.Failures - failures; n > 0 {
		w.fail(ruleRest, "%d operations failed while nothing happened", n)
	}
}

// judgeShare takes one host away from a cluster at rest. Where every other is clean, no survivor may get a
// VIP of it while another has two fewer; or three, where it had several: they run out at once, voters name nodes
// for them side by side, and duels are settled one by one. Use of a host's own address voids proofs unseen, so
// that nobody is sure.
func (w *World) judgeShare() {
	if w.broken != nil || w.shape.Shared || w.shape.Nodes < 3 || w.ownUse || w.random.IntN(3) > 0 {
		return
	}
	victim := w.hosts[w.random.IntN(w.shape.Nodes)]
	before := w.shares()
	uneven := 1 + min(before[victim.id]/2, 1)
	victim.powerOff()
	if w.await(w.now+int64(w.lease)+servedWithin, func() bool { return w.notServed() == nil }) {
		after := w.shares()
		least := len(w.vips)
		for _, h := range w.hosts[:w.shape.Nodes] {
			if h != victim {
				least = min(least, after[h.id])
			}
		}
		for _, h := range w.hosts[:w.shape.Nodes] {
			if h != victim && after[h.id] > before[h.id] && after[h.id] > least+uneven {
				w.fail(ruleShare, "%s was given VIPs and has %d, another has %d", h.name, after[h.id], least)
			}
		}
	} else if w.broken == nil {
		w.fail(ruleServed, "%s is not served after %s died", w.notServed().name, victim.name)
	}
}

// shares counts what each host serves.
func (w *World) shares() []int {
	n := make([]int, len(w.hosts))
	for v := range w.vips {
		if h := w.servedBy(v); h != nil {
			n[h.id]++
		}
	}
	return n
}
