package sim

import (
	"slices"

	"memvip/agent/core"
)

// instance is one memcached process of a host, and what the agent's prober and flusher see of it.
type instance struct {
	*host
	running bool
	hung    bool
	pid     int
	started int64        // seconds of the host's clock
	began   core.Instant // by the host's clock, to the tick
	oldest  int64        // likewise: the newest flush
	total   uint64
	items   []int   // by VIP and key: version, or nothing
	touched []int64 // when an item was last read
	last    int64   // when a client last did anything
	queue   []*op   // received, not executed
	stuckTo int64   // a worker thread is stuck until then: what it received waits
	slow    int64   // each answer to the agent takes this long until slowTo
	slowTo  int64
	busyTo  int64 // somebody reads every item, on the host's own address, until then

	keepsMemory bool // -e
	noFlush     bool // -F

	// What an onlooker notes, by VIP.
	stored []bool // something was stored through the VIP since it was last empty
	dirty  []bool // and another instance has served the VIP after that

	told  told
	watch int // number of the newest watch for quiet
}

// nothing is the version of an item that is not there.
const nothing = -1

// told is what the agent was last told of an instance.
type told struct {
	known, up  bool
	pid        int
	unprovable bool
}

func newInstance(h *host, number int) *instance {
	in := &instance{
		host: h, running: true, pid: 100 + 10*number, total: 1,
		items: make([]int, len(h.vips)*keysPerVIP), touched: make([]int64, len(h.vips)*keysPerVIP),
		stored: make([]bool, len(h.vips)), dirty: make([]bool, len(h.vips)),
	}
	for v := range in.dirty { // the items are of version 0, and others have changed since
		in.stored[v], in.dirty[v] = true, true
	}
	return in
}

func (in *instance) name() string {
	return in.instanceName(slices.Index(in.instanceOf, in))
}

// serves reports whether the instance serves a VIP on its host.
func (in *instance) serves(v int) bool { return in.instanceOf[v] == in }

// exit ends the process. What it held is gone, unless it keeps its memory in a file.
func (in *instance) exit() {
	if !in.running {
		return
	}
	in.note("%s %s: memcached exits", in.host.name, in.name())
	in.running, in.hung, in.stuckTo = false, false, 0
	in.dropConnections()
	if in.host.shape.Connector {
		in.observe(in.between(200*us, 4*ms))
	} else {
		in.observe(in.between(ms, 60*ms))
	}
	in.look()
}

// run starts it again.
func (in *instance) run() {
	if in.running || !in.on {
		return
	}
	in.running = true
	in.pid += 1 + in.random.IntN(3)
	in.started = int64(in.reads()) / s
	in.began = in.reads() / core.Instant(10*ms) * core.Instant(10*ms)
	in.total, in.oldest = 0, 0
	if !in.keepsMemory {
		in.empty()
	}
	in.note("%s %s: memcached runs as %d", in.host.name, in.name(), in.pid)
	in.observe(in.between(50*ms, 350*ms))
	in.look()
}

// dropConnections ends what was received or waits: the process is no more.
func (in *instance) dropConnections() {
	in.queue = nil
	for v := range in.addresses {
		if in.serves(v) {
			in.addresses[v].disconnect()
		}
	}
}

// empty forgets every item.
func (in *instance) empty() {
	for i := range in.items {
		in.items[i] = nothing
	}
	in.emptied()
}

// emptied notes that nothing old is left.
func (in *instance) emptied() {
	clear(in.stored)
	clear(in.dirty)
}

func (in *instance) hang(d int64) {
	if !in.running || in.hung {
		return
	}
	in.note("%s %s: memcached hangs", in.host.name, in.name())
	in.hung = true
	in.observe(in.between(300*ms, 600*ms))
	pid := in.pid
	in.afterwards(d, func() {
		if in.pid == pid {
			in.unhang()
		}
	})
	in.look()
}

func (in *instance) unhang() {
	if !in.running || !in.hung {
		return
	}
	in.note("%s %s: memcached goes on, %d requests waited", in.host.name, in.name(), len(in.queue))
	in.hung = false
	in.work()
	in.observe(in.between(100*ms, 350*ms))
	in.look()
}

// work executes what waits.
func (in *instance) work() {
	if in.hung || in.now < in.stuckTo {
		return
	}
	queue := in.queue
	in.queue = nil
	for _, o := range queue {
		in.execute(o)
	}
}

// stick has one worker thread stand still: probes are answered by others.
func (in *instance) stick(d int64) {
	in.stuckTo = in.now + d
	in.note("%s %s: a worker stands still", in.host.name, in.name())
	in.after(d, in.work)
}

// observe has the prober notice in a while what the instance is like.
func (in *instance) observe(d int64) { in.later(d, in.tell) }

// tell tells the agent how the instance is, if that is news.
func (in *instance) tell() {
	now := told{known: true, up: in.running && !in.hung, pid: in.pid, unprovable: in.noFlush}
	if !now.up {
		now.pid, now.unprovable = 0, false
	}
	if now == in.told {
		return
	}
	in.told = now
	if !now.up {
		reason := "exited"
		if in.hung {
			reason = "timeout"
		}
		in.feed(core.InstanceWentDown{Instance: in.name(), Reason: reason, Dead: !in.hung})
		return
	}
	p := in.figures()
	p.Restart = in.total == 0 && !in.keepsMemory
	up := core.InstanceUp{Instance: in.name(), Figures: p, Began: in.began, KeepsMemory: in.keepsMemory}
	if in.noFlush {
		up.Unprovable = "flush_all is switched off (-F)"
	}
	in.feed(up)
}

// figures is what `stats` says.
func (in *instance) figures() core.Proof {
	return core.Proof{Incarnation: core.Incarnation{PID: in.pid, Start: in.started}, Oldest: in.oldest, TotalItems: in.total}
}

// answering is how long the instance takes to answer the agent.
func (in *instance) answering() int64 {
	d := in.between(80*us, 400*us)
	if in.now < in.slowTo {
		d += in.slow
	}
	return d
}

// check compares the instance with its proof, and looks for connections that should be gone.
func (in *instance) check(e core.CheckInstance) {
	in.later(in.answering(), func() {
		r := core.InstanceChecked{Instance: e.Instance, Name: e.Name, Number: e.Number, Proof: e.Proof}
		now := in.figures()
		now.Restart = e.Proof.Restart
		if e.Serving {
			now.TotalItems, now.Oldest = e.Proof.TotalItems, e.Proof.Oldest
		}
		switch {
		case !in.running || in.hung:
			r.Reason = "does not answer"
		case !in.drained(e.Drained):
			r.Reason = "connections left"
		case e.Proof != (core.Proof{}) && now != e.Proof:
			r.Reason, r.Void = "figures changed", true
		}
		in.feed(r)
	})
}

// drained reports whether the process has no connection left that it accepted on the VIPs, alive or not.
func (in *instance) drained(vips []core.Name) bool {
	for _, n := range vips {
		v := in.names[n]
		alive := func(c *conn) bool { return c.alive && c.pid == in.pid }
		if in.serves(v) && slices.ContainsFunc(in.addresses[v].conns, alive) {
			return false
		}
		if slices.ContainsFunc(in.queue, func(o *op) bool { return o.vip == v }) {
			return false
		}
	}
	return true
}

const (
	quietFor   = 2 * s
	flushLimit = 3 * s
	flushPoll  = 20 * ms
)

// watchQuiet waits for two seconds in which no client did anything.
func (in *instance) watchQuiet() {
	in.watch++
	in.awaitQuiet(in.watch, in.now)
}

func (in *instance) awaitQuiet(watch int, since int64) {
	in.later(max(ms, since+quietFor-in.now), func() {
		touched := in.last
		if in.now < in.busyTo {
			touched = in.now
		}
		switch {
		case watch != in.watch:
		case !in.running || in.hung:
			in.awaitQuiet(watch, in.now)
		case touched > since:
			in.feed(core.InstanceBusy{Instance: in.name(), Detail: "cmd_get moved"})
			in.awaitQuiet(watch, touched)
		default:
			in.feed(core.InstanceQuiet{Instance: in.name()})
		}
	})
}

// flush empties the instance and proves it.
func (in *instance) flush(e core.FlushInstance) {
	failed := func(reason string) {
		in.feed(core.FlushFailed{Instance: e.Instance, Attempt: e.Attempt, Reason: reason})
	}
	quietSince := in.last
	in.later(in.answering(), func() {
		switch {
		case !in.running || in.hung:
			failed("does not answer")
		case in.noFlush:
			failed("flush_all is switched off (-F)")
		case !in.drained(e.Drained):
			failed("connections left")
		case in.last != quietSince || in.now < in.busyTo:
			failed("not quiet")
		default:
			before := in.figures()
			in.flushAll()
			in.awaitEmpty(e, before, in.now+flushLimit, failed)
		}
	})
}

// flushAll is the command. As of 1.6.25 items that were read in the last second survive it.
func (in *instance) flushAll() {
	in.seen.Flushes++
	in.oldest = int64(in.reads()) / s
	for i := range in.items {
		young := in.now < in.busyTo || in.touched[i] != 0 && in.now-in.touched[i] <= s
		if !in.host.shape.Keepalive || !young {
			in.items[i] = nothing
		}
	}
	if in.count() == 0 {
		in.emptied()
	}
}

// count is curr_items.
func (in *instance) count() int {
	n := 0
	for _, x := range in.items {
		if x != nothing {
			n++
		}
	}
	return n
}

// awaitEmpty polls until nothing is left, in the same process and with nothing written meanwhile.
func (in *instance) awaitEmpty(e core.FlushInstance, before core.Proof, end int64, failed func(string)) {
	in.later(in.answering(), func() {
		switch now := in.figures(); {
		case !in.running || in.hung:
			failed("does not answer")
		case now.Incarnation != before.Incarnation:
			failed("restarted")
		case now.TotalItems != before.TotalItems:
			failed("items changed")
		case in.count() == 0:
			in.note("%s %s: flush proved", in.host.name, in.name())
			in.feed(core.FlushDone{Instance: e.Instance, Attempt: e.Attempt, Proof: now})
		case in.now >= end:
			failed("not empty")
		default:
			in.later(flushPoll, func() { in.awaitEmpty(e, before, end, failed) })
		}
	})
}

// restartCommand is what an operator configured to restart the process.
func (in *instance) restartCommand() {
	in.note("%s %s: restart command", in.host.name, in.name())
	in.seen.Restarts++
	in.after(10*ms, in.exit)
	in.after(in.between(30*ms, 80*ms), in.run)
}
