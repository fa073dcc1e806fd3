package gossip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"memvip/agent/core"
)

// lastProbe may outlive Close.
var lastProbe = goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, lastProbe) }

// patience is how long a test waits for what should come at once. It is no measure of anything.
const patience = 30 * time.Second

// testLease makes memberlist notice in about a second.
const testLease = 100 * time.Millisecond

// addresses of the test's nodes, on loopback.
var addresses = map[string]netip.Addr{
	"a": netip.MustParseAddr("127.0.0.11"),
	"b": netip.MustParseAddr("127.0.0.12"),
	"c": netip.MustParseAddr("127.0.0.13"),
	"x": netip.MustParseAddr("127.0.0.14"), // a stranger
}

// node is a Gossip with what it heard.
type node struct {
	*Gossip
	opts     Options
	messages chan heard
	states   chan core.NodeState
	links    *links
}

type heard struct {
	source string
	msg    core.Message
}

// links cuts the links of one node: both ways, at this node.
type links struct {
	mu  sync.Mutex
	cut map[netip.Addr]bool
}

func (l *links) passes(peer netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.cut[peer]
}

func (l *links) set(cut bool, peers ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range peers {
		l.cut[addresses[p]] = cut
	}
}

// portsTaken are those freePort has returned, so that tests in parallel do not share one.
var portsTaken sync.Map

// freePort returns a port that is free at all the addresses.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		ln, err := net.ListenTCP("tcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		port := ln.Addr().(*net.TCPAddr).Port
		ln.Close()
		if _, taken := portsTaken.LoadOrStore(port, true); !taken && portIsFree(port) {
			return port
		}
	}
	t.Fatal("no port is free at all of the test's addresses")
	return 0
}

func portIsFree(port int) bool {
	for _, addr := range addresses {
		at := netip.AddrPortFrom(addr, uint16(port))
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return false
		}
		ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if u.Close(); err != nil {
			return false
		}
		ln.Close()
	}
	return true
}

// options of a node among the named ones.
func options(port int, name string, all ...string) Options {
	o := Options{
		Node: name, Bind: addresses[name], Port: port, Keys: [][]byte{testKey}, Lease: testLease,
		ClusterName: testCluster, Peers: make(map[string]netip.Addr),
	}
	for _, p := range all {
		if p != name {
			o.Peers[p] = addresses[p]
		}
	}
	return o
}

// begin starts a node. It is closed with the test, if not before.
func begin(t testing.TB, o Options) *node {
	t.Helper()
	n := &node{messages: make(chan heard, 1000), states: make(chan core.NodeState, 1000), links: &links{cut: make(map[netip.Addr]bool)}}
	o.OnMessage = func(source string, msg core.Message) {
		select {
		case n.messages <- heard{source, msg}:
		default:
		}
	}
	o.OnState = func(s core.NodeState) {
		select {
		case n.states <- s:
		default:
		}
	}
	n.opts = o
	g, err := start(o, n.links.passes)
	if err != nil {
		t.Fatal(err)
	}
	n.Gossip = g
	t.Cleanup(func() { n.end(t) })
	return n
}

func (n *node) end(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Error(err)
	}
}

// three starts a, b and c.
func three(t testing.TB) (a, b, c *node) {
	t.Helper()
	port := freePort(t)
	all := []string{"a", "b", "c"}
	return begin(t, options(port, "a", all...)), begin(t, options(port, "b", all...)), begin(t, options(port, "c", all...))
}

// eventually waits until a condition holds that nothing announces.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// sees waits until n's members that are alive are exactly those named, beside itself.
func (n *node) sees(t testing.TB, peers ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s to see %v", n.opts.Node, peers), func() bool {
		var alive []string
		for _, m := range n.Members() {
			if m.Alive && m.Name != n.opts.Node {
				alive = append(alive, m.Name)
			}
		}
		return fmt.Sprint(alive) == fmt.Sprint(peers)
	})
}

// next returns the next message.
func (n *node) next(t testing.TB) heard {
	t.Helper()
	select {
	case h := <-n.messages:
		return h
	case <-time.After(patience):
		t.Fatalf("%s heard nothing", n.opts.Node)
		return heard{}
	}
}

// learns waits for a state of a node with a given sequence number.
func (n *node) learns(t testing.TB, of string, seq uint64) core.NodeState {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-n.states:
			if s.Node == of && s.Seq == seq {
				return s
			}
		case <-deadline:
			t.Fatalf("%s did not learn of state %d of %s", n.opts.Node, seq, of)
		}
	}
}

// counts waits until a reason has been counted.
func (n *node) counts(t testing.TB, r DropReason) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s to count %s", n.opts.Node, r), func() bool { return n.Stats().Dropped[r] > 0 })
}

// delivers shows that messages still arrive: it sends until one does, as core would.
func delivers(t testing.TB, from, to *node) {
	t.Helper()
	marker := core.Name(fmt.Sprintf("marker %d", from.Stats().Sent))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if err := from.Send(to.opts.Node, core.Decline{From: from.opts.Node, Name: marker}); err != nil {
			t.Fatal(err)
		}
		select {
		case h := <-to.messages:
			if d, ok := h.msg.(core.Decline); ok && d.Name == marker {
				return
			}
		case <-tick.C:
		case <-deadline:
			t.Fatalf("nothing arrives at %s from %s", to.opts.Node, from.opts.Node)
		}
	}
}

// from makes a message speak for a node.
func from(name string, msg core.Message) core.Message {
	switch m := msg.(type) {
	case core.Claim:
		m.From.Node = name
		return m
	case core.Answer:
		m.Voter = name
		return m
	case core.Release:
		m.From.Node = name
		return m
	case core.Ack:
		m.Voter = name
		return m
	case core.Hint:
		m.Voter = name
		return m
	case core.Ask:
		m.From = name
		return m
	case core.AskReply:
		m.From = name
		return m
	case core.StandBy:
		m.From = name
		return m
	case core.Decline:
		m.From = name
		return m
	}
	return msg
}
