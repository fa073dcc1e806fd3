package gossip

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"memvip/agent/core"
)

var (
	oldKey   = testKey
	newKey   = bytes.Repeat([]byte{9}, keyBytes)
	thirdKey = bytes.Repeat([]byte{10}, keyBytes)
)

func setKeys(t *testing.T, n *node, keys ...[]byte) {
	t.Helper()
	if err := n.SetKeys(keys); err != nil {
		t.Fatal(err)
	}
}

// traffic has every node send to every other, ask every other and publish its state, all at once and without a pause,
// until stop is called; that returns how many packets of core were sent to each node.
func traffic(t *testing.T, nodes []*node) (stop func() (sent map[string]uint64)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var mu sync.Mutex
	sent := map[string]uint64{}
	for _, n := range nodes {
		running.Go(func() {
			pace := time.NewTicker(time.Millisecond)
			defer pace.Stop()
			for seq := uint64(1); ctx.Err() == nil; seq++ {
				n.Publish(core.NodeState{Node: n.opts.Node, Start: 1, Seq: seq})
				for peer := range n.opts.Peers {
					if err := n.Send(peer, core.Decline{From: n.opts.Node, Name: "v"}); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					sent[peer]++
					mu.Unlock()
				}
				<-pace.C
			}
		})
		running.Go(func() {
			for ctx.Err() == nil {
				for peer := range n.opts.Peers {
					asking, done := context.WithTimeout(context.WithoutCancel(ctx), patience)
					if answer, err := n.Call(asking, peer, []byte("?")); err != nil || string(answer) != "?" {
						t.Errorf("%s asks %s: %q, %v", n.opts.Node, peer, answer, err)
					}
					done()
				}
			}
		})
	}
	return func() map[string]uint64 {
		cancel()
		running.Wait()
		return sent
	}
}

// threeThatAnswer starts a, b and c, which answer what they are asked.
func threeThatAnswer(t *testing.T) []*node {
	t.Helper()
	port := freePort(t)
	var nodes []*node
	for _, name := range []string{"a", "b", "c"} {
		o := options(port, name, "a", "b", "c")
		o.OnCall = func(_ context.Context, _ string, question []byte) []byte { return question }
		nodes = append(nodes, begin(t, o))
	}
	for i, n := range nodes {
		var others []string
		for j, o := range nodes {
			if i != j {
				others = append(others, o.opts.Node)
			}
		}
		n.sees(t, others...)
	}
	return nodes
}

// In the order install, use, remove every node understands every other at every instant: no packet is refused, whatever
// stage each of them is in.
func TestKeysAreRotatedUnderTraffic(t *testing.T) {
	nodes := threeThatAnswer(t)
	stop := traffic(t, nodes)
	for round := range 5 {
		from, to := oldKey, newKey
		if round%2 == 1 {
			from, to = newKey, oldKey
		}
		for _, stage := range [][][]byte{{from, to}, {to, from}, {to}} {
			if len(stage) == 1 { // what others sealed before has arrived
				for _, n := range nodes {
					eventually(t, n.opts.Node+" to hear the new key alone", func() bool { return quietSince(n, from, 50*time.Millisecond) })
				}
			}
			for _, n := range nodes {
				heard := n.Stats().Received
				setKeys(t, n, stage...)
				eventually(t, "traffic in this stage", func() bool { return n.Stats().Received > heard+20 })
			}
		}
	}
	sent := stop()
	for _, n := range nodes {
		name := n.opts.Node
		eventually(t, "everything to arrive at "+name, func() bool { return n.Stats().Received >= sent[name] })
		if s := n.Stats(); len(s.Dropped) > 0 || s.Received != sent[name] || s.SendFailed > 0 {
			t.Errorf("%s: %+v, want %d received and nothing dropped", name, s, sent[name])
		}
		n.sees(t, slices.Sorted(maps.Keys(n.opts.Peers))...)
	}
}

// quietSince reports whether nothing sealed with a key has come for so long.
func quietSince(n *node, key []byte, quiet time.Duration) bool {
	for _, k := range n.Keys() {
		for _, ago := range k.Heard {
			if bytes.Equal(k.Key, key) && ago < quiet {
				return false
			}
		}
	}
	return true
}

// Out of that order packets are refused, which shows that the test above could fail: a key is used that another node
// does not have, or removed while another still seals with it.
func TestKeysOutOfOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(t *testing.T, a, b *node)
	}{
		{"used before it is installed", func(t *testing.T, a, _ *node) { setKeys(t, a, newKey, oldKey) }},
		{"removed while in use", func(t *testing.T, a, b *node) {
			setKeys(t, a, oldKey, newKey)
			setKeys(t, b, newKey)
		}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			nodes := threeThatAnswer(t)
			a, b := nodes[0], nodes[1]
			c.wrong(t, a, b)
			if err := a.Send("b", core.Decline{From: "a", Name: "v"}); err != nil {
				t.Fatal(err)
			}
			b.counts(t, DropUndecryptable)
			if got := len(b.messages); got != 0 {
				t.Errorf("%d messages got in", got)
			}
			setKeys(t, a, oldKey, newKey)
			setKeys(t, b, oldKey, newKey)
			delivers(t, a, b) // and back
			delivers(t, b, a)
		})
	}
}

// A removed key opens nothing any more, and each key knows who seals with it.
func TestKeysSayWhoSealsWithThem(t *testing.T) {
	nodes := threeThatAnswer(t)
	a, b := nodes[0], nodes[1]
	for _, n := range nodes {
		setKeys(t, n, oldKey, newKey)
	}
	setKeys(t, b, newKey, oldKey)
	delivers(t, b, a)
	eventually(t, "b's packets to be of the new key, and c's of the old", func() bool {
		keys := a.Keys()
		_, fromB := keys[1].Heard["b"]
		_, fromC := keys[1].Heard["c"]
		return bytes.Equal(keys[0].Key, oldKey) && bytes.Equal(keys[1].Key, newKey) && fromB && !fromC && keys[0].Heard["c"] < patience
	})
	setKeys(t, a, newKey)
	if keys := a.Keys(); len(keys) != 1 || !bytes.Equal(keys[0].Key, newKey) || len(keys[0].Heard) == 0 {
		t.Errorf("left are %+v", keys)
	}
	if known := a.Gossip.keys.seals.GetKeys(); len(known) != 1 {
		t.Errorf("memberlist still knows %d keys", len(known))
	}
	a.counts(t, DropUndecryptable) // c goes on with the old one
	delivers(t, b, a)
}

// What memberlist knows is what the screen has, but for a removed key between others; and what seals is the first.
func TestSealingKey(t *testing.T) {
	s, err := newScreen(testCluster, [][]byte{oldKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	seals, err := memberlist.NewKeyring([][]byte{oldKey}, oldKey)
	if err != nil {
		t.Fatal(err)
	}
	r := &keyring{screen: s, seals: seals}
	for _, c := range []struct {
		set   [][]byte
		known [][]byte
	}{
		{[][]byte{oldKey, newKey}, [][]byte{oldKey, newKey}},
		{[][]byte{newKey, oldKey}, [][]byte{newKey, oldKey}},
		{[][]byte{newKey, oldKey, thirdKey}, [][]byte{newKey, oldKey, thirdKey}},
		{[][]byte{newKey, thirdKey}, [][]byte{newKey, oldKey, thirdKey}},
		{[][]byte{newKey}, [][]byte{newKey}},
		{[][]byte{thirdKey}, [][]byte{thirdKey}},
	} {
		if err := r.set(c.set); err != nil {
			t.Fatal(err)
		}
		if got := seals.GetKeys(); fmt.Sprint(got) != fmt.Sprint(c.known) {
			t.Errorf("after %v memberlist knows %v", c.set, got)
		}
		if got := seals.GetPrimaryKey(); !bytes.Equal(got, c.set[0]) {
			t.Errorf("after %v memberlist seals with %v", c.set, got)
		}
		if got := *s.ring.Load(); len(got) != len(c.set) || !bytes.Equal(got[0].key, c.set[0]) {
			t.Errorf("after %v the screen has %d keys", c.set, len(got))
		}
	}
	for _, bad := range [][][]byte{nil, {oldKey[:16]}, {newKey, newKey}} {
		if err := r.set(bad); err == nil {
			t.Errorf("%v was set", bad)
		}
	}
}
