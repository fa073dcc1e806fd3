package gossip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/sirupsen/logrus"

	"memvip/agent/core"
)

// Gossip is one node's part in the cluster's traffic.
type Gossip struct {
	opts       Options
	transport  *transport
	list       *memberlist.Memberlist
	states     states
	stateLimit int // bytes of an envelope that gossip has room for
	tally      tally
	calls      calls
	keys       keyring
	outgoing   outgoing

	round  time.Duration      // between two of memberlist's rounds
	ctx    context.Context    // of joins, log and calls
	cancel context.CancelFunc // of ctx
	wg     sync.WaitGroup     // joins, log and calls

	callbacks sync.RWMutex // held for reading around callbacks
	closed    bool         // under callbacks: no callback may start
	close     sync.Once
	closeErr  error
}

// Start opens the port and begins to look for the peers. It returns without waiting for any of them.
func Start(o Options) (*Gossip, error) { return start(o, nil) }

func start(o Options, filter linkFilter) (*Gossip, error) {
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Logger = silent
	}
	o.Bind = o.Bind.Unmap()
	o.Peers = maps.Clone(o.Peers)
	for name, addr := range o.Peers {
		o.Peers[name] = addr.Unmap()
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("gossip: start %s: %w", o.Node, err)
	}
	g := &Gossip{opts: o}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.states.newest = make(map[string]told)
	g.states.queue.NumNodes = func() int { return 1 + len(o.Peers) }
	if err := g.open(filter); err != nil {
		g.cancel()
		return nil, fmt.Errorf("gossip: start %s: %w", o.Node, err)
	}
	return g, nil
}

// open starts everything, or nothing.
func (g *Gossip) open(filter linkFilter) error {
	o := g.opts
	g.keys.peers = slices.Collect(maps.Values(o.Peers))
	s, err := newScreen(o.ClusterName, o.Keys, g.keys.peers)
	if err != nil {
		return err
	}
	g.keys.screen = s
	if g.keys.seals, err = memberlist.NewKeyring(o.Keys, o.Keys[0]); err != nil {
		return err
	}
	g.stateLimit = packetSize - sealedBytes - len(s.label) - checksumBytes - 8 // 8: compound and its entry
	g.transport = &transport{
		self: netip.AddrPortFrom(o.Bind, uint16(o.Port)), peers: make(map[string]peer), screen: s,
		tally: &g.tally, sealed: newSealed(o.Peers), filter: filter, message: g.receive,
	}
	g.outgoing.peers = make(map[string]peer)
	for name, addr := range o.Peers {
		p := newPeer(netip.AddrPortFrom(addr, uint16(o.Port)))
		g.outgoing.peers[name], g.transport.peers[g.address(name).Addr] = p, p
	}
	if err := g.transport.listen(); err != nil {
		return err
	}
	adapter := newLogAdapter(o.Logger, &g.tally.logSuppressed)
	conf := configure(o, g.keys.seals)
	conf.Transport = g.transport
	conf.Logger = log.New(adapter, "", 0)
	conf.Delegate, conf.Alive = delegate{g}, delegate{g}
	g.round = conf.GossipInterval
	g.states.queue.RetransmitMult = conf.RetransmitMult
	if g.list, err = memberlist.Create(conf); err != nil {
		_ = g.transport.Shutdown()
		return err
	}
	g.wg.Go(func() { adapter.run(g.ctx) })
	g.transport.run()
	for name := range o.Peers {
		g.wg.Go(func() { g.keepJoined(g.ctx, name) })
	}
	return nil
}

// address is where a configured peer is, as memberlist writes it.
func (g *Gossip) address(name string) memberlist.Address {
	at := netip.AddrPortFrom(g.opts.Peers[name], uint16(g.opts.Port))
	return memberlist.Address{Addr: at.String(), Name: name}
}

// Send hands a message to the kernel, as one packet to the address configured for a node, whether
// memberlist thinks that node alive or not. It never waits. An error means that the packet did not
// leave; no error means nothing.
func (g *Gossip) Send(to string, msg core.Message) error {
	if err := g.send(to, msg); err != nil {
		g.tally.sendFailed.Add(1)
		return fmt.Errorf("gossip: send %T to %s: %w", msg, to, err)
	}
	g.tally.sent.Add(1)
	return nil
}

// send goes past memberlist, which would make the key's cipher anew for every packet.
func (g *Gossip) send(to string, msg core.Message) error {
	o := &g.outgoing
	at, ok := o.peers[to]
	if !ok {
		return errors.New("not a configured peer")
	}
	frame, err := Encode(msg)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.content = appendSealed(append(o.content[:0], markUser), to, frame)
	o.packet = g.transport.screen.sealPacket(o.packet[:0], o.content)
	return g.transport.send(o.packet, at)
}

// outgoing is where the packets of core's messages go, and room to put one together.
type outgoing struct {
	peers map[string]peer // by name; never changes

	mu              sync.Mutex
	content, packet []byte
}

// Publish tells everybody this node's newest state. One that is not newer than the last is ignored.
// One too long for a gossip packet goes to each peer by itself; what of it is lost, push/pull repairs.
func (g *Gossip) Publish(s core.NodeState) {
	frame, err := EncodeState(s)
	if err != nil {
		g.tally.sendFailed.Add(1)
		g.opts.Logger.WithError(err).Warn("own state not published")
		return
	}
	if !g.states.offer(s, frame, g.stateLimit) || 1+len(frame) <= g.stateLimit {
		return
	}
	for name := range g.opts.Peers {
		if err := g.list.SendToAddress(g.address(name), seal("", frame)); err != nil {
			g.tally.sendFailed.Add(1)
		}
	}
}

// receive opens an envelope and hands on what is in it. The envelope is the caller's.
func (g *Gossip) receive(source string, envelope []byte) {
	to, frame, err := unseal(envelope)
	if err != nil {
		g.tally.drop(err)
		return
	}
	if isCall(frame) {
		g.heardCall(to, frame)
		return
	}
	if isClients(frame) {
		g.heardClients(to, frame)
		return
	}
	content, err := Decode(frame)
	if err != nil {
		g.tally.drop(err)
		return
	}
	g.callbacks.RLock()
	defer g.callbacks.RUnlock()
	if g.closed {
		return
	}
	switch v := content.(type) {
	case core.NodeState:
		g.heardState(v, frame)
	case core.Message:
		g.heardMessage(source, to, v)
	}
}

func (g *Gossip) heardState(s core.NodeState, frame []byte) {
	if s.Node == g.opts.Node {
		if g.states.outdated(s) {
			g.opts.OnState(s) // of a former life
		}
		return
	}
	if _, ok := g.opts.Peers[s.Node]; !ok {
		g.tally.dropped[DropUnknownNode].Add(1)
		return
	}
	if g.states.offer(s, frame, g.stateLimit) {
		g.tally.statesHeard.Add(1)
		g.opts.OnState(s)
	}
}

// heardMessage lets pass what a configured node says to this one. A message in this node's own name
// passes too: it is another host's that has the same name, which is core's to refuse.
func (g *Gossip) heardMessage(source, to string, msg core.Message) {
	from := sender(msg)
	_, known := g.opts.Peers[from]
	switch {
	case to != g.opts.Node:
		g.tally.dropped[DropMisdirected].Add(1)
	case !known && from != g.opts.Node:
		g.tally.dropped[DropUnknownNode].Add(1)
	default:
		g.tally.received.Add(1)
		g.opts.OnMessage(source, msg)
	}
}

// Member is a configured node as memberlist sees it: for status, and nothing else.
type Member struct {
	Name  string     `json:"name"`
	Addr  netip.Addr `json:"address"`
	Alive bool       `json:"alive"`
}

// Members returns all configured nodes, this one included, by name.
func (g *Gossip) Members() []Member {
	alive := make(map[string]bool)
	for _, n := range g.list.Members() {
		alive[n.Name] = true
	}
	members := []Member{{Name: g.opts.Node, Addr: g.opts.Bind, Alive: true}}
	for _, name := range slices.Sorted(maps.Keys(g.opts.Peers)) {
		members = append(members, Member{Name: name, Addr: g.opts.Peers[name], Alive: alive[name]})
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return members
}

// Stats returns what has been counted since Start.
func (g *Gossip) Stats() Counters { return g.tally.read() }

// Close says goodbye to the peers, closes the port, and returns when nothing of this node's part is
// left running, but for a probe that memberlist gives up only when its interval is over: what comes of that reaches nobody.
// When ctx ends Close no longer waits for the goodbye, so a ctx that has ended skips it: an agent that is to be back at
// once wants that. Closing twice is harmless.
func (g *Gossip) Close(ctx context.Context) error {
	g.close.Do(func() { g.closeErr = g.shutdown(ctx) })
	return g.closeErr
}

func (g *Gossip) shutdown(ctx context.Context) error {
	if ctx.Err() == nil {
		g.leave(ctx)
	}
	g.callbacks.Lock()
	g.cancel() // from here on nothing is added to wg
	g.callbacks.Unlock()
	err := g.list.Shutdown()
	g.wg.Wait()
	g.callbacks.Lock()
	g.closed = true
	g.callbacks.Unlock()
	if err != nil {
		return fmt.Errorf("gossip: close: %w", err)
	}
	return nil
}

// leave waits until the goodbye is told, but not for long: it is a courtesy.
func (g *Gossip) leave(ctx context.Context) {
	limit := leaveRounds * g.round
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline))
	}
	if err := g.list.Leave(max(limit, time.Millisecond)); err != nil {
		g.opts.Logger.WithError(err).Debug("gossip goodbye not told")
	}
}
