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
	// By sender: what waits, and what comes twice.
	hold, replay []held
}

// held says until when something is done to packets of a kind.
type held struct {
	until int64
	kind  packetKind
	to    int // a host, or everybody
}

const everybody = -1

// packets reads which packets an act means from its number: the kind, and to whom.
func (w *World) packets(until int64, b int) held {
	return held{until, packetKind(b % int(packetKinds)), b/int(packetKinds)%(w.shape.hosts()+1) - 1}
}

// to is the number that means packets of a kind to one host.
func (k packetKind) to(host int) int { return int(k) + int(packetKinds)*(host+1) }

// packetKind tells packets apart by what they carry.
type packetKind uint8

const (
	anyPacket packetKind = iota
	claimPacket
	answerPacket
	releasePacket
	otherPacket
	packetKinds
)

func kindOf(msg core.Message) packetKind {
	switch msg.(type) {
	case core.Claim:
		return claimPacket
	case core.Answer:
		return answerPacket
	case core.Release:
		return releasePacket
	default:
		return otherPacket
	}
}

func (x held) holds(now int64, to *host, k packetKind) bool {
	return now < x.until && (x.kind == anyPacket || x.kind == k) && (x.to == everybody || x.to == to.id)
}

func newNetwork(n Net, hosts int) network {
	net := network{Net: n, cut: make([][]int64, hosts), hold: make([]held, hosts), replay: make([]held, hosts)}
	for i := range hosts {
		net.cut[i] = make([]int64, hosts)
	}
	return net
}

// heal ends what was done to the network on purpose, and what is in its nature.
func (n *network) heal() {
	for i := range n.cut {
		clear(n.cut[i])
	}
	clear(n.hold)
	clear(n.replay)
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
	w.transmit(from, target, kindOf(msg), func() {
		w.noteRenewals(msg)
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

func (w *World) transmit(from, to *host, kind packetKind, deliver func()) {
	if !w.passes(from, to) {
		return
	}
	n := &w.net
	if x := n.hold[from.id]; x.holds(w.now, to, kind) {
		w.holdBack(to, x.until, deliver)
	} else {
		w.after(w.travel(), deliver)
	}
	if n.Double > 0 && w.random.IntN(1_000_000) < n.Double {
		w.after(w.travel(), deliver)
	}
	if n.replay[from.id].holds(w.now, to, kind) {
		w.after(w.between(10*ms, 10*s), deliver)
	}
}

// holdBack delivers a packet at an instant, or before if its receiver's agent starts anew: when it does most harm.
func (w *World) holdBack(to *host, until int64, deliver func()) {
	arrived := false
	arrive := func() {
		if !arrived {
			arrived = true
			deliver()
		}
	}
	to.waiting = append(to.waiting, arrive)
	w.after(until-w.now+w.travel(), arrive)
}

// arrivals brings an agent that has just started what was held back for its earlier life.
func (h *host) arrivals() {
	for _, arrive := range h.waiting {
		h.after(h.between(0, 20*ms), arrive)
	}
	h.waiting = nil
}

// travel draws how long a packet is under way.
func (w *World) travel() int64 {
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
	return d
}

// source is a host's network address.
func source(name string, id int) string { return name + "#" + strconv.Itoa(id) + ":7946" }
