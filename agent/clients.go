package agent

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/clients"
	"memvip/agent/core"
	"memvip/configs"
	"memvip/vip"
)

// Who is connected to the VIPs that this node holds is told to the nodes that may hold them next, and what those tell is
// known when one of theirs comes here. The machine has no part in it: nobody's lease does.

const (
	// clientsEvery is the pause between two looks at who is connected. A look goes through the kernel's whole table of sockets,
	// whoever is in it; so after clientsCalm looks that saw nobody new the pause is clientsSeldom, until one does. A
	// connection is told once two looks have seen it: one that died younger than five seconds may not be known to the
	// next holder.
	clientsEvery  = time.Second
	clientsCalm   = 3
	clientsSeldom = 4 * time.Second
	// clientsShare is how many times as long as a look the pause after it is at least: with 100,000 connections one takes
	// a tenth to a fifth of a second, and shall not take a tenth of a core. So it is 0.1 % of one at most, but for a look that took
	// very long: its pause ends at clientsLongest, well before the next holders forget what they were told.
	clientsShare   = 1000
	clientsLongest = clients.Lifetime / 4
	// clientPackets bounds what is told after one look. In a cluster of any size a node hears as much as it tells, on
	// average; what is over waits.
	clientPackets = 64
)

// clientPort is the part of vip.Manager that knows connections.
type clientPort interface {
	EachConnection(ips []netip.Addr, each func(local, peer netip.AddrPort)) error
	NextHops(link string, peers []netip.Addr) (map[netip.Addr]vip.MAC, error)
}

// clientTeller is gossip.
type clientTeller interface {
	SendClients(to string, l clients.List) (packets int, err error)
}

// clientele is this node's part in it. Methods that say so may be called from any goroutine; the rest belongs to the goroutine
// that is in run.
type clientele struct {
	self  string
	diary *diary
	port  clientPort
	net   clientTeller
	held  func() []vip.Address // addresses that are up here; may be called from any goroutine

	book     *clients.Book
	post     *clients.Post
	trackers map[netip.Addr]*clients.Tracker // of addresses that are up here
	number   uint64                          // of the newest list
	calm     int                             // looks in a row that saw nobody new and left nobody to be told
	next     time.Time                       // of the next look
	came     chan struct{}                   // has something when an address came up

	counts clientCounts
}

// clientCounts are what a clientele counts.
type clientCounts struct {
	told, notTold, heard, cut atomic.Uint64
}

// newClientele returns that of a node which holds and knows nothing yet.
func newClientele(c *configs.Config, self string, d *diary) *clientele {
	readers := map[netip.Addr][]string{}
	for _, m := range c.AllNodes() {
		for _, v := range c.Eligible(m.Name) {
			if m.Name != self {
				readers[v.Prefix.Addr()] = append(readers[v.Prefix.Addr()], m.Name)
			}
		}
	}
	var mine []netip.Addr
	for _, v := range c.Eligible(self) {
		mine = append(mine, v.Prefix.Addr())
	}
	return &clientele{
		self: self, diary: d, book: clients.NewBook(mine), post: clients.NewPost(readers), trackers: map[netip.Addr]*clients.Tracker{},
		came: make(chan struct{}, 1),
	}
}

// run looks and tells until ctx ends.
func (c *clientele) run(ctx context.Context) {
	c.next = time.Now().Add(clientsEvery)
	timer := time.NewTimer(clientsEvery)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(c.next))
		select {
		case <-timer.C:
			if !c.turn() {
				return
			}
		case <-c.came:
			if soon := time.Now().Add(clientsEvery); soon.Before(c.next) {
				c.next = soon
			}
		case <-ctx.Done():
			return
		}
	}
}

// cameUp tells that an address is up here, from any goroutine. The next look does not wait for the end of a long pause, but
// neither does it take the processor from those who need it at such a moment.
func (c *clientele) cameUp() {
	select {
	case c.came <- struct{}{}:
	default: // told, and not taken up yet
	}
}

// pace is the pause after a look that took so long.
func (c *clientele) pace(took time.Duration) time.Duration {
	every := clientsEvery
	if c.calm >= clientsCalm {
		every = clientsSeldom
	}
	return max(every, min(clientsShare*took, clientsLongest))
}

// turn is one look, and what is to be told after it. It reports whether another is of use.
func (c *clientele) turn() bool {
	now := time.Now()
	var took time.Duration
	defer func() { c.next = now.Add(c.pace(took)) }()
	held := map[netip.Addr]vip.Address{}
	for _, a := range c.held() {
		held[a.Prefix.Addr()] = a
	}
	c.calm++
	c.keep(held)
	if len(held) == 0 {
		return true
	}
	err := c.look()
	took = time.Since(now)
	if err != nil {
		c.calm = 0
		c.diary.trouble(logrus.Fields{}, "clients of own VIPs not found: the next holder cannot have them reset", err)
		return !errors.Is(err, vip.ErrNoSocketDestroy)
	}
	for ip := range held {
		c.note(ip, now)
	}
	if !c.tell(held, now) {
		c.calm = 0
	}
	return true
}

// keep begins with addresses that came up and forgets those that went: who was connected when another holder had one
// is nothing to go by.
func (c *clientele) keep(held map[netip.Addr]vip.Address) {
	for ip := range c.trackers {
		if _, up := held[ip]; !up {
			delete(c.trackers, ip)
		}
	}
	for ip := range held {
		if c.trackers[ip] == nil {
			c.trackers[ip] = &clients.Tracker{}
			c.calm = 0
		}
	}
	c.post.Keep(func(ip netip.Addr) bool { return c.trackers[ip] != nil })
}

func (c *clientele) look() error {
	ips := make([]netip.Addr, 0, len(c.trackers))
	for ip, t := range c.trackers {
		t.Begin()
		ips = append(ips, ip)
	}
	return c.port.EachConnection(ips, func(local, peer netip.AddrPort) {
		c.trackers[local.Addr()].See(clients.Conn{Peer: peer, Port: local.Port()})
	})
}

// note ends the look at one address. The own book has its list too: connections that this node lost with its lease are
// recalled when it gets that back.
func (c *clientele) note(ip netip.Addr, now time.Time) {
	t := c.trackers[ip]
	if t.End() {
		c.post.News(ip)
	}
	if t.Fresh() {
		c.calm = 0
	}
	conns, _ := t.List()
	own := clients.Part{From: c.self, VIP: ip, Number: uint64(now.UnixNano()), Count: 1}
	for _, conn := range conns {
		own.Clients = append(own.Clients, clients.Client{Conn: conn})
	}
	c.book.Hear(own, now)
}

// tell tells what is due, as far as it may now, and reports whether that was all. What does not leave is told again with
// the rest.
func (c *clientele) tell(held map[netip.Addr]vip.Address, now time.Time) (all bool) {
	lists := map[netip.Addr]clients.List{}
	packets := 0
	for _, e := range c.post.Due(now) {
		if packets >= clientPackets {
			return false
		}
		l, made := lists[e.VIP]
		if !made {
			l = c.list(held[e.VIP], now)
			lists[e.VIP] = l
		}
		n, err := c.net.SendClients(e.To, l)
		packets += max(1, n)
		c.post.Told(e, n, now)
		if err != nil {
			c.counts.notTold.Add(1)
			continue
		}
		c.counts.told.Add(1)
	}
	return true
}

// list makes the list of an address, with the neighbours by whom its clients are reached where the kernel tells.
func (c *clientele) list(a vip.Address, now time.Time) clients.List {
	conns, over := c.trackers[a.Prefix.Addr()].List()
	if over > 0 {
		c.counts.cut.Add(1)
	}
	peers := make([]netip.Addr, len(conns))
	for i, conn := range conns {
		peers[i] = conn.Peer.Addr()
	}
	hops, err := c.port.NextHops(a.Link, peers)
	if err != nil {
		c.diary.trouble(logrus.Fields{fieldLink: a.Link}, "way to clients not found", err)
	}
	c.number = max(c.number+1, uint64(now.UnixNano()))
	l := clients.List{VIP: a.Prefix.Addr(), Number: c.number}
	for _, conn := range conns {
		l.Clients = append(l.Clients, clients.Client{Conn: conn, MAC: clients.MAC(hops[conn.Peer.Addr()])})
	}
	return l
}

// hear takes in what another holder tells, from any goroutine. What this node sees itself it knows better.
func (c *clientele) hear(p clients.Part) {
	for _, a := range c.held() {
		if a.Prefix.Addr() == p.VIP {
			return
		}
	}
	c.counts.heard.Add(1)
	c.book.Hear(p, time.Now())
}

// former returns who was connected to an address when it was last held anywhere, from any goroutine.
func (c *clientele) former(ip netip.Addr) []vip.Client {
	known := c.book.Of(ip, time.Now())
	list := make([]vip.Client, len(known))
	for i, k := range known {
		list[i] = vip.Client{Peer: k.Peer, Port: k.Port, MAC: vip.MAC(k.MAC)}
	}
	return list
}

// known returns how many clients of each VIP are known that may be held here, from any goroutine.
func (c *clientele) known(places map[core.Name]vip.Address) map[core.Name]int {
	now := time.Now()
	all := map[core.Name]int{}
	for name, place := range places {
		all[name] = c.book.Count(place.Prefix.Addr(), now)
	}
	return all
}

// addCounts adds what is counted to the counts of a status, from any goroutine.
func (c *clientele) addCounts(counted map[string]int) {
	counted["client_lists_told"] = int(c.counts.told.Load())
	counted["client_lists_not_told"] = int(c.counts.notTold.Load())
	counted["client_lists_heard"] = int(c.counts.heard.Load())
	counted["client_lists_cut"] = int(c.counts.cut.Load())
	counted["client_lists_no_room"] = int(c.book.Full())
}

// watchClients looks and tells until the agent ends.
func (a *agent) watchClients() {
	if len(a.places) > 0 { // a witness holds nothing
		a.clients.run(a.ctx)
	}
}
