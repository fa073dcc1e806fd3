package sim

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
