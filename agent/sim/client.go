package sim

import "slices"

// client is one of the cluster's users: it finds a VIP's host by ARP, keeps one connection per VIP, and
// does one operation after the other on it. It gives up what takes too long; what it sent may still arrive.
type client struct {
	*World
	number  int
	timeout int64
	lingers bool    // its kernel goes on sending what the client has given up
	arp     []*host // by VIP; nil: has to ask
	conns   []*conn
	pending []*op
	missed  []int   // operations in a row without an answer
	cut     []int64 // by host: no packet passes before
}

const (
	clients    = 2
	opPeriod   = clients * 100 * ms // so that a VIP sees ten operations a second
	keysPerVIP = 4

	// A packet without an answer is sent again after 200 ms, then after twice as long each time.
	retransmit  = 200 * ms
	retransmits = 4
)

// conn is a TCP connection to a VIP, as the host that accepted it has it.
type conn struct {
	host     *host
	instance *instance
	pid      int
	tenure   int // of the VIP, when it was accepted
	alive    bool
}

func (c *conn) destroy() { c.alive = false }

// key is what the world knows of one key of a VIP. One client writes it, so that its versions have an
// order; everybody reads it.
type key struct {
	issued int   // highest version that may exist
	floor  int   // a read that begins now and finds an older version is stale
	done   int   // newest version that was executed anywhere
	late   int64 // when memcached last executed a write after a newer one, by no fault of ours
}

// newKeys gives every key a history: version 0, which the memcacheds hold at the beginning, is old.
func newKeys() []key {
	keys := make([]key, keysPerVIP)
	for i := range keys {
		keys[i] = key{issued: 1, floor: 1}
	}
	return keys
}

// execute notes that memcached did a write. One that is older than another it did before is nobody's fault but
// the client's, if the instance has been the VIP's only server since it accepted the connection.
func (k *key) execute(version int, now int64, served bool) {
	if version < k.done && served {
		k.late, k.floor = now, min(k.floor, version)
	}
	k.done = max(k.done, version)
}

// raise notes that an operation was acknowledged: nothing older may be read from now on, unless memcached
// wrote something older after it had executed the operation.
func (k *key) raise(o *op, version int) {
	if o.executed > k.late {
		k.floor = max(k.floor, version)
	}
	k.issued = max(k.issued, version)
}

type verb uint8

const (
	get verb = iota
	set
	remove
	increment
	flushAll
)

func (v verb) String() string { return [...]string{"get", "set", "delete", "incr", "flush_all"}[v] }

// op is one operation of a client.
type op struct {
	client   *client
	vip      int
	key      int
	verb     verb
	version  int   // set: of the value; delete and flush_all: floor once acknowledged; incr: the number answered
	floors   []int // of the VIP's keys, when a flush_all began
	floor    int   // get: when it began
	hit      bool
	conn     *conn // nil until accepted
	over     bool  // the client has its answer or has given up
	tries    int
	began    int64
	executed int64
	received bool // the host's kernel has it
}

func newClient(w *World, number int) *client {
	return &client{
		World: w, number: number, timeout: [...]int64{100 * ms, 400 * ms, 1500 * ms}[w.random.IntN(3)], lingers: w.random.IntN(2) == 0,
		arp: make([]*host, len(w.vips)), conns: make([]*conn, len(w.vips)), pending: make([]*op, len(w.vips)),
		missed: make([]int, len(w.vips)), cut: make([]int64, len(w.hosts)+1),
	}
}

func (c *client) reaches(h *host) bool { return h.on && h.nic && c.now >= c.cut[h.id] }

func (c *client) hearARP(v int, h *host) { c.arp[v] = h }

// tick begins an operation on a VIP, unless one is still under way.
func (c *client) tick(v int) {
	c.after(opPeriod+c.random.Int64N(2*ms)-ms, func() { c.tick(v) })
	if c.pending[v] == nil {
		c.begin(c.draw(v))
	}
}

// draw picks an operation. Keys 0 and 1 are plain values of one writer each, 2 counts, 3 is deleted often.
func (c *client) draw(v int) *op {
	o := &op{client: c, vip: v, key: c.random.IntN(keysPerVIP)}
	mine := o.key%clients == c.number
	switch x := c.random.IntN(1000); {
	case x < 500 || !mine:
		o.verb = get
	case x < 503 && !c.shape.Keepalive:
		o.verb = flushAll
	case o.key == 2:
		o.verb = increment
	case o.key == 3 && x < 800:
		o.verb = remove
	default:
		o.verb = set
	}
	return o
}

func (c *client) begin(o *op) {
	keys := c.vips[o.vip].keys
	k := &keys[o.key]
	switch o.verb {
	case get:
		o.floor = k.floor
	case set, remove:
		k.issued++
		o.version = k.issued
	case increment: // by meta arithmetic, which makes the item where there is none
		k.issued++
		o.version = k.issued
	case flushAll:
		for _, k := range keys {
			o.floors = append(o.floors, k.floor)
		}
	}
	c.seen.Operations++
	o.began = c.now
	c.pending[o.vip], o.conn = o, c.conns[o.vip]
	c.after(c.timeout, func() { c.giveUp(o) })
	c.transmit(o)
}

// transmit sends the operation to wherever the client believes the VIP to be, and again until it has been
// received. What a client gave up is still sent if it was on an open connection and its kernel lingers.
func (c *client) transmit(o *op) {
	if o.received || o.over && (o.conn == nil || !c.lingers) {
		return
	}
	if c.arp[o.vip] == nil {
		c.arp[o.vip] = c.askARP(o.vip)
	}
	if h := c.arp[o.vip]; h != nil && c.reaches(h) {
		c.after(c.between(30*us, 250*us), func() { h.serve(o) })
	}
	if o.tries++; o.tries <= retransmits {
		c.after(retransmit<<(o.tries-1), func() { c.transmit(o) })
	}
}

// askARP returns a host that answers for a VIP, if there is one.
func (c *client) askARP(v int) *host {
	var found *host
	for _, h := range c.hosts {
		if h.answers(v) && c.reaches(h) && (found == nil || c.random.IntN(2) == 0) {
			found = h
		}
	}
	return found
}

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
	}
	h := in.host
	if o.conn.alive && h.answers(o.vip) && o.client.reaches(h) {
		h.after(h.between(30*us, 250*us), func() { o.client.answered(o) })
	}
}

// reset ends an operation whose connection the other side does not know.
func (c *client) reset(o *op) {
	c.after(c.between(30*us, 250*us), func() {
		if o.over {
			return
		}
		c.end(o)
		c.conns[o.vip] = nil
		c.seen.Failures++
	})
}

// giveUp ends an operation that took too long; after two in a row the client asks anew where the VIP is.
func (c *client) giveUp(o *op) {
	if o.over {
		return
	}
	c.end(o)
	c.seen.Failures++
	c.hangUp(o.vip)
	if c.missed[o.vip]++; c.missed[o.vip] >= 2 {
		c.arp[o.vip] = nil
	}
}

// hangUp closes the connection to a VIP, at once or when its kernel has given up too.
func (c *client) hangUp(v int) {
	old := c.conns[v]
	c.conns[v] = nil
	switch {
	case old == nil:
	case c.lingers:
		c.after(10*s, old.destroy)
	default:
		old.destroy()
	}
}

func (c *client) end(o *op) {
	o.over = true
	c.pending[o.vip] = nil
}

// answered takes an acknowledgement or a value in.
func (c *client) answered(o *op) {
	if o.over {
		return
	}
	c.end(o)
	c.missed[o.vip] = 0
	keys := c.vips[o.vip].keys
	k := &keys[o.key]
	switch o.verb {
	case get:
		c.judgeRead(o)
	case set, remove, increment:
		k.raise(o, o.version)
	case flushAll:
		for i, floor := range o.floors {
			keys[i].raise(o, floor+1)
		}
	}
}
