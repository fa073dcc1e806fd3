package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"memvip/agent/core"
)

func TestEveryMessageArrives(t *testing.T) {
	a, b, c := three(t)
	for _, pair := range [][2]*node{{a, b}, {a, c}, {b, a}, {b, c}, {c, a}, {c, b}} {
		for _, zero := range messageTypes {
			sent := from(pair[0].opts.Node, filled(zero))
			if err := pair[0].Send(pair[1].opts.Node, sent); err != nil {
				t.Fatal(err)
			}
			got := pair[1].next(t)
			if diff := equal(sent, got.msg); diff != "" {
				t.Errorf("%s to %s: %T changed on its way:\n%s", pair[0].opts.Node, pair[1].opts.Node, sent, diff)
			}
			if want := netip.AddrPortFrom(pair[0].opts.Bind, uint16(a.opts.Port)).String(); got.source != want {
				t.Errorf("%s to %s: source %s, want %s", pair[0].opts.Node, pair[1].opts.Node, got.source, want)
			}
		}
	}
	each := uint64(2 * len(messageTypes)) // to two others, and from them
	if s := a.Stats(); s.Sent != each || s.Received != each || len(s.Dropped) != 0 {
		t.Errorf("counted %+v, want %d sent, %d received, none dropped", s, each, each)
	}
}

// Messages need no membership: they arrive although memberlist never met the peer.
func TestMessagesNeedNoMembership(t *testing.T) {
	port := freePort(t)
	a, b := begin(t, options(port, "a", "a", "b")), begin(t, options(port, "b", "a", "b"))
	a.list.Leave(time.Millisecond)
	b.sees(t)
	delivers(t, b, a)
}

// A message of many fragments arrives as well.
func TestLargeMessageArrives(t *testing.T) {
	a, b, _ := three(t)
	claim, _, _ := typical(150)
	sent := from("a", claim)
	if err := a.Send("b", sent); err != nil {
		t.Fatal(err)
	}
	if diff := equal(sent, b.next(t).msg); diff != "" {
		t.Errorf("changed on its way:\n%s", diff)
	}
}

func TestSendRefuses(t *testing.T) {
	port := freePort(t)
	a := begin(t, options(port, "a", "a", "b"))
	for _, to := range []string{"x", "a", ""} {
		if err := a.Send(to, core.Decline{From: "a"}); err == nil {
			t.Errorf("a message to %q, which is no peer, was sent", to)
		}
	}
	if err := a.Send("b", core.Claim{State: core.NodeState{VIPs: make([]core.VIPState, maxEntries+1)}}); ReasonOf(err) != DropTooMany {
		t.Errorf("a claim too long to be sent: %v, want reason %s", err, DropTooMany)
	}
	if got := a.Stats().SendFailed; got != 4 {
		t.Errorf("%d failures counted, want 4", got)
	}
}

func TestStateReachesEverybody(t *testing.T) {
	port := freePort(t)
	all := []string{"a", "b", "c"}
	a, b := begin(t, options(port, "a", all...)), begin(t, options(port, "b", all...))
	a.sees(t, "b")
	_, _, state := typical(5)
	state.Node, state.Start = "a", 1
	for seq := range uint64(3) {
		state.Seq = seq + 1
		a.Publish(state)
		if diff := equal(state, b.learns(t, "a", state.Seq)); diff != "" {
			t.Errorf("b learned another state than a told:\n%s", diff)
		}
	}
	late := begin(t, options(port, "c", all...))
	late.learns(t, "a", state.Seq)
}

// A late joiner learns of a node that it cannot reach from those it can.
func TestStateTravelsThroughOthers(t *testing.T) {
	a, b, c := three(t)
	a.sees(t, "b", "c")
	c.links.set(true, "a")
	a.links.set(true, "c")
	a.Publish(core.NodeState{Node: "a", Start: 1, Seq: 1})
	b.learns(t, "a", 1)
	c.learns(t, "a", 1)
}

// A state too long for a gossip packet reaches members at once and late joiners by push/pull.
func TestLargeStateReachesEverybody(t *testing.T) {
	port := freePort(t)
	all := []string{"a", "b", "c"}
	a, b := begin(t, options(port, "a", all...)), begin(t, options(port, "b", all...))
	a.sees(t, "b")
	_, _, state := typical(60)
	state.Node, state.Start, state.Seq = "a", 1, 1
	a.Publish(state)
	b.learns(t, "a", 1)
	begin(t, options(port, "c", all...)).learns(t, "a", 1)
}

// Only news is told: neither what is old, nor what one has said, nor of strangers. What a node has said in a life that it
// forgot is news to it.
func TestOldStatesAreNotNews(t *testing.T) {
	a, b, _ := three(t)
	hear := func(s core.NodeState) { b.receive("", seal("", encodeAny(t, s))) }
	hear(core.NodeState{Node: "a", Start: 2, Seq: 5})
	hear(core.NodeState{Node: "a", Start: 2, Seq: 5})
	hear(core.NodeState{Node: "a", Start: 1, Seq: 9})
	b.Publish(core.NodeState{Node: "b", Start: 4, Seq: 9})
	hear(core.NodeState{Node: "b", Start: 4, Seq: 9})
	hear(core.NodeState{Node: "b", Start: 3, Seq: 10})
	hear(core.NodeState{Node: "b", Start: 9, Seq: 1})
	hear(core.NodeState{Node: "x", Start: 9, Seq: 9})
	hear(core.NodeState{Node: "a", Start: 3, Seq: 1})
	for _, want := range []core.NodeState{{Node: "a", Start: 2, Seq: 5}, {Node: "b", Start: 9, Seq: 1}, {Node: "a", Start: 3, Seq: 1}} {
		if s := <-b.states; s.Node != want.Node || s.Start != want.Start || s.Seq != want.Seq {
			t.Errorf("b learned state %d.%d of %s, want %d.%d of %s", s.Start, s.Seq, s.Node, want.Start, want.Seq, want.Node)
		}
	}
	if got := b.Stats().Dropped[DropUnknownNode]; got != 1 || len(b.states) != 0 {
		t.Errorf("%d states of strangers counted, %d more states learned; want 1, 0", got, len(b.states))
	}
	delivers(t, a, b)
}

func TestNodeIsJoinedAgain(t *testing.T) {
	a, b, c := three(t)
	a.sees(t, "b", "c")
	b.sees(t, "a", "c")
	b.end(t)
	a.sees(t, "c")
	c.sees(t, "a")
	b = begin(t, b.opts)
	a.sees(t, "b", "c")
	c.sees(t, "a", "b")
	b.sees(t, "a", "c")
	delivers(t, a, b)
	delivers(t, b, c)
}

// A node that is cut off for so long that both sides have declared each other dead, and have been
// refused connections meanwhile, is joined again when the cut heals, and learns what it missed.
func TestPartitionHeals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		failures uint64 // of joining before the cut heals; 3 take longer than dead nodes are remembered
	}{
		{"dead_and_remembered", 0},
		{"dead_and_forgotten", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, b, c := three(t)
			a.sees(t, "b", "c")
			b.sees(t, "a", "c")
			c.links.set(true, "a", "b")
			c.sees(t)
			a.sees(t, "b")
			b.sees(t, "a")
			a.Publish(core.NodeState{Node: "a", Start: 1, Seq: 1})
			base := a.Stats().JoinFailed
			eventually(t, "joins to fail", func() bool { return a.Stats().JoinFailed >= base+tc.failures })
			c.links.set(false, "a", "b")
			c.sees(t, "a", "b")
			a.sees(t, "b", "c")
			b.sees(t, "a", "c")
			c.learns(t, "a", 1)
			delivers(t, c, a)
		})
	}
}

// The kernel's refusals are errors of Send, count as failed probes, and end nothing.
func TestUnreachablePeer(t *testing.T) {
	port := freePort(t)
	o := options(port, "a", "a", "b")
	o.Peers["far"] = netip.MustParseAddr("203.0.113.1") // no way there from a loopback address
	a, b := begin(t, o), begin(t, options(port, "b", "a", "b"))
	if err := a.Send("far", core.Decline{From: "a"}); err == nil {
		t.Error("a packet left for an address that cannot be reached")
	} else if want := "gossip: send core.Decline to far: "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %q, want it to begin with %q", err, want)
	}
	delivers(t, a, b)
}

func TestStartRefuses(t *testing.T) {
	port := freePort(t)
	for _, tc := range []struct {
		name string
		bend func(*Options)
		want string
	}{
		{"short_key", func(o *Options) { o.Keys = [][]byte{testKey[:16]} }, "key is 16 bytes long, want 32"},
		{"no_node", func(o *Options) { o.Node = "" }, "node name is 0 bytes long, want 1 to 255"},
		{"no_cluster", func(o *Options) { o.ClusterName = "" }, "cluster name is 0 bytes long, want 1 to 255"},
		{"port", func(o *Options) { o.Port = 70000 }, "port is 70000, want 1 to 65535"},
		{"lease", func(o *Options) { o.Lease = 0 }, "lease is 0s, want more than 0"},
		{"deaf", func(o *Options) { o.OnState = nil }, "nobody listens: OnMessage or OnState is nil"},
		{"any_address", func(o *Options) { o.Bind = netip.IPv4Unspecified() }, "own address: 0.0.0.0 is not the address of one host"},
		{"no_address", func(o *Options) { o.Peers["b"] = netip.Addr{} }, "peer b: invalid IP is not the address of one host"},
		{"zone", func(o *Options) { o.Peers["b"] = netip.MustParseAddr("fe80::1%eth0") }, "peer b: fe80::1%eth0 has a zone, which other hosts cannot know"},
		{"family", func(o *Options) { o.Peers["b"] = netip.MustParseAddr("fd00::1") }, "peer b: fd00::1 and this node's 127.0.0.11 are not of one family"},
		{"doubled_address", func(o *Options) { o.Peers["c"] = o.Peers["b"] }, "peer c: 127.0.0.12 is the address of b"},
		{"own_name", func(o *Options) { o.Peers["a"] = addresses["c"] }, "peer a has this node's name"},
		{"nameless", func(o *Options) { o.Peers[""] = addresses["c"] }, "peer at 127.0.0.13: name is 0 bytes long, want 1 to 255"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(port, "a", "a", "b")
			o.OnMessage, o.OnState = func(string, core.Message) {}, func(core.NodeState) {}
			tc.bend(&o)
			_, err := Start(o)
			if want := fmt.Sprintf("gossip: start %s: %s", o.Node, tc.want); err == nil || err.Error() != want {
				t.Errorf("Start: %v\nwant   %s", err, want)
			}
		})
	}
}

// A port that is taken is an error, for UDP and for TCP, and leaves nothing open.
func TestStartFailsWhole(t *testing.T) {
	port := freePort(t)
	o := options(port, "a", "a", "b")
	o.OnMessage, o.OnState = func(string, core.Message) {}, func(core.NodeState) {}
	at := netip.AddrPortFrom(o.Bind, uint16(port))
	fails := func() {
		t.Helper()
		if _, err := Start(o); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("Start on a taken port: %v, want %v", err, syscall.EADDRINUSE)
		}
	}
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	fails()
	udp.Close()
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	fails()
	tcp.Close()
	begin(t, options(port, "a", "a", "b"))
}

// After Close nothing is left, but for memberlist's last probe: no goroutine, no port, no callback. It holds while peers
// are silent, when probes and joins are under way.
func TestCloseLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	a, b, c := three(t)
	a.sees(t, "b", "c")
	a.links.set(true, "b", "c")
	failed := a.Stats().JoinFailed
	a.sees(t)
	eventually(t, "a join to fail", func() bool { return a.Stats().JoinFailed > failed })
	for _, n := range []*node{a, b, c} {
		n.end(t)
		n.end(t)
	}
	goleak.VerifyNone(t, before, lastProbe)
	a.links.set(false, "b", "c")
	a.receive("", seal("a", encodeAny(t, core.Decline{From: "b"})))
	if len(a.messages) != 0 {
		t.Error("a message was delivered after Close")
	}
	if err := a.Send("b", core.Decline{From: "a"}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close: %v, want %v", err, net.ErrClosed)
	}
	if !portIsFree(a.opts.Port) {
		t.Error("the port is still taken after Close")
	}
}

// With a ctx that has ended, nothing is said and nothing is waited for.
func TestCloseInHaste(t *testing.T) {
	a, b, c := three(t)
	b.sees(t, "a", "c")
	c.sees(t, "a", "b")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.Close(ctx); err != nil {
		t.Fatal(err)
	}
	a = begin(t, a.opts)
	a.sees(t, "b", "c")
	delivers(t, b, a)
}
