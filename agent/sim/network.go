package sim

import (
	"strconv"

	"memvip/agent/core"
)

// network carries packets between agents, or does not.
type network struct {
	Net
	cut   [][]int64 // from, to: nothing arrives before
	lossy int64     // one packet in three is lost before
	hold  [][]int64 // from, to: packets wait until
}

func newNetwork(n Net, hosts int) network {
	net := network{Net: n, cut: make([][]int64, hosts), hold: make([][]int64, hosts)}
	for i := range hosts {
		net.cut[i], net.hold[i] = make([]int64, hosts), make([]int64, hosts)
	}
	return net
}

// heal ends what was done to the network on purpose, and what is in its nature.
func (n *network) heal() {
	for i := range n.cut {
		clear(n.cut[i])
		clear(n.hold[i])
	}
	n.lossy, n.Loss, n.Double, n.Late, n.Held = 0, 0, 0, 0, 0
}

// send transmits a message to whoever has the name's address.
func (w *World) send(from *host, to string, msg core.Message) {
	w.seen.Packets++
	all := w.byName[to]
	if len(all) == 0 {
		return
	}
	target := all[0]
	if len(all) > 1 { // two hosts with one name and address: the packet meets either
		target = all[w.random.IntN(len(all))]
	}
	w.transmit(from, target, func() {
		target.receive(core.Received{Source: from.source, Msg: msg})
	})
}

// gossip brings a node's state to the others in its own time.
func (w *World) gossip(from *host, state core.NodeState) {
	from.said = state
	for _, h := range w.hosts {
		if h.name != from.name && w.passes(from, h) {
			w.after(w.between(ms, 200*ms), func() { h.receive(core.StateHeard{State: state}) })
		}
	}
}

// passes reports whether a packet sent now would arrive.
func (w *World) passes(from, to *host) bool {
	n := &w.net
	switch {
	case !from.on || !from.nic || !to.on || !to.nic || w.now < n.cut[from.id][to.id]:
		return false
	case n.Loss > 0 && w.random.IntN(1_000_000) < n.Loss, w.now < n.lossy && w.random.IntN(3) == 0:
		return false
	}
	return true
}

func (w *World) transmit(from, to *host, deliver func()) {
	if !w.passes(from, to) {
		return
	}
	n := &w.net
	w.after(w.travel(from, to), deliver)
	if n.Double > 0 && w.random.IntN(1_000_000) < n.Double {
		w.after(w.travel(from, to), deliver)
	}
}

// travel draws how long a packet is under way.
func (w *World) travel(from, to *host) int64 {
	n := &w.net
	d := int64(n.Delay) + w.random.Int64N(int64(n.Jitter)+1)
	if n.Late+n.Held > 0 {
		switch x := w.random.IntN(1_000_000); {
		case x < n.Late:
			d += w.between(0, 800*ms)
		case x < n.Late+n.Held:
			d += w.between(0, 120*s)
		}
	}
	return max(d, n.hold[from.id][to.id]-w.now+w.random.Int64N(int64(n.Jitter)+1))
}

// source is a host's network address.
func source(name string, id int) string { return name + "#" + strconv.Itoa(id) + ":7946" }
