package sim

import "slices"

// conn is a TCP connection to a VIP, as the host that accepted it has it.
type conn struct {
	host     *host
	instance *instance
	pid      int
	tenure   int // of the VIP, when it was accepted
	alive    bool
}

func (c *conn) destroy() { c.alive = false }

// serve takes a request in that arrived at the host.
func (h *host) serve(o *op) {
	if o.received || !h.answers(o.vip) || !o.client.reaches(h) {
		return // silence
	}
	in := h.instanceOf[o.vip]
	switch c := o.conn; {
	case c == nil && o.over:
		return
	case c == nil && !in.running:
		o.client.reset(o)
		return
	case c == nil:
		c = &conn{host: h, instance: in, pid: in.pid, tenure: h.vips[o.vip].tenure, alive: true}
		a := &h.addresses[o.vip]
		a.conns = append(slices.DeleteFunc(a.conns, func(c *conn) bool { return !c.alive }), c)
		o.conn = c
		o.client.conns[o.vip] = c
	case c.host != h || !c.alive || c.pid != in.pid:
		o.client.reset(o)
		return
	}
	o.received = true
	if in.hung || h.now < in.stuckTo && o.conn.stuck() {
		in.queue = append(in.queue, o)
		return
	}
	in.execute(o)
}

// stuck reports whether the connection is one of the worker's that stands still: every other one is.
func (c *conn) stuck() bool { return c.tenure%2 == 0 }

// execute is what memcached does with a request.
func (in *instance) execute(o *op) {
	if o.conn.pid != in.pid || !in.running {
		return
	}
	in.last, o.executed = in.now, in.now
	v := in.vips[o.vip]
	i := o.vip*keysPerVIP + o.key
	write := func(version int) {
		in.items[i] = version
		in.stored[o.vip] = true
		in.total++
		in.touched[i] = 0
		v.keys[o.key].execute(version, in.now, o.conn.tenure == v.tenure)
	}
	switch o.verb {
	case get:
		o.version, o.hit = in.items[i], in.items[i] != nothing
		if o.hit {
			in.touched[i] = in.now
		}
	case set:
		write(o.version)
	case remove:
		in.items[i] = nothing
		v.keys[o.key].execute(o.version, in.now, false)
	case increment:
		if in.items[i] != nothing {
			o.version = in.items[i] + 1
		}
		write(o.version)
	case flushAll:
		in.flushAll()
		for i, floor := range o.floors {
			v.keys[i].outdate(floor)
		}
	}
	h := in.host
	if o.conn.alive && h.answers(o.vip) && o.client.reaches(h) {
		h.after(h.between(30*us, 250*us), func() { o.client.answered(o) })
	}
}
