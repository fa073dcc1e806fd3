package control

import (
	"fmt"
	"slices"

	"memvip/agent/layout"
)

// Between two nodes that others hear, packets may pass in one direction, or in none. Each voter knows whose claims
// arrive from themselves, and who answers its own.

// parting is a direction in which nothing passes.
type parting struct{ from, to string }

// deafLeases is how long nothing may come before it counts. It is longer than any node takes to notice a death, so
// that one that died a moment ago, and is not gone for all yet, is not taken for cut off.
const deafLeases = 3

// partings lists them, as far as this node and those that it asked can tell.
func (w view) partings() []parting {
	var out []parting
	for _, v := range w.facts.Views {
		for _, n := range w.Nodes {
			if v.Claimed != nil && n.Name != v.Node && w.alive(n.Name) && !w.heardWithin(v, n.Name, deafLeases*w.facts.Lease) {
				out = append(out, parting{n.Name, v.Node})
			}
		}
	}
	for _, v := range w.Voters { // one that does not hear this node cannot be asked either
		p, n := parting{w.Node, v.Name}, w.node(v.Name)
		if v.Heard && n.Claimed && n.ClaimedAgo+deafLeases*w.facts.Lease < v.Ago && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// alive reports whether a node is certainly there: it is asked, or heard, now.
func (w view) alive(name string) bool {
	return w.self(name) || slices.ContainsFunc(w.facts.Views, func(v View) bool {
		return v.Node == name || w.heardWithin(v, name, w.facts.Lease)
	})
}

// hears reports whether a node says that it hears another from itself.
func (w view) hears(node, other string) bool {
	return slices.ContainsFunc(w.facts.Views, func(v View) bool { return v.Node == node && w.heardWithin(v, other, w.facts.Lease) })
}

// partedFrom reports whether packets between this node and another are a problem of their own.
func (w view) partedFrom(name string) bool {
	return slices.ContainsFunc(w.partings(), func(p parting) bool {
		return p == parting{w.Node, name} || p == parting{name, w.Node}
	})
}

// partedProblems has one problem for two nodes.
func (w view) partedProblems() []Problem {
	var out []Problem
	all := w.partings()
	for _, p := range all {
		both := slices.Contains(all, parting{p.to, p.from})
		if both && p.from > p.to {
			continue // said already
		}
		text := fmt.Sprintf("what %s sends does not reach %s", p.from, p.to)
		switch {
		case both:
			text = fmt.Sprintf("%s and %s do not hear each other, though other nodes hear them", p.from, p.to)
		case w.hears(p.from, p.to):
			text += fmt.Sprintf(": %s hears %s, but %s does not hear it", p.from, p.to, p.to)
		default:
			text += ", though other nodes hear it"
		}
		out = append(out, degraded(ProblemParted, []string{p.from, p.to}, w.partedHint(p), "%s", text))
	}
	return out
}

func (w view) partedHint(p parting) string {
	return fmt.Sprintf("on %s: tcpdump -ni any udp port %d and src host %s; nothing seen: a switch, VLAN or a firewall on %s drops it; seen: a firewall on %s does",
		p.to, w.facts.Port, w.addressOf(p.from), p.from, p.to)
}

// addressOf is where a node speaks from.
func (w view) addressOf(node string) string {
	for _, m := range w.facts.Members {
		if m.Name == node {
			return m.Address
		}
	}
	return layout.Printable(node)
}
