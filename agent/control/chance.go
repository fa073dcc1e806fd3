package control

import (
	"fmt"
	"slices"
	"time"

	"memvip/agent/layout"
)

// chance says whether a node could take a VIP now, and why.
func chance(r Report, v VIP, n Node) Chance {
	own, told := n.vip(v.Address)
	c := Chance{Node: n.Name, VIP: v.Address, Home: n.Name == v.Home, Holds: n.Name == v.Holder, Cache: own.Cache, Age: n.HeardAge}
	if !told {
		c.Cache = CacheUnknown
	}
	switch {
	case c.Holds && v.Place == PlaceTaking:
		c.Text = "has won it and is about to take it"
	case c.Holds:
		c.Text = "serves it"
	case !n.Heard && !n.Self:
		c.Text = "cannot take it: it has never been heard"
	case n.Silent:
		c.Text = "cannot take it: it has not been heard for " + span(n.HeardAge)
	case !told:
		c.Text = "cannot take it: it does not know it, so the configurations differ"
	case own.StandingText != "":
		c.Text = "cannot take it: " + own.StandingText
	default:
		c.Rank, c.Text = ranked(r, v, n)
	}
	return c
}

// ranked says where among the candidates a node is in whose way nothing stands.
func ranked(r Report, v VIP, n Node) (rank int, text string) {
	for _, c := range v.Candidates {
		if !c.placeable() {
			if c.Node == n.Name {
				return 0, "cannot take it yet: its memcached may hold old values: " + taintWords(n.instanceOf(v).Flush, n.sharing(r, v))
			}
			continue
		}
		if c.Node != v.Holder {
			rank++
		}
		if c.Node == n.Name {
			return rank, fmt.Sprintf("is number %d to take it: %s", rank, c.merits())
		}
	}
	return 0, "could take it, but is not counted on: its last word is " + span(n.HeardAge) + " old, or it hears no majority"
}

// placeable reports whether a candidate may serve without a flush.
func (c Candidate) placeable() bool { return c.Clean || c.Continues }

// merits is what a candidate is ranked by, in words.
func (c Candidate) merits() string {
	text := "proved clean"
	switch {
	case c.Continues:
		text = "it served last, and may go on without a flush if a majority confirms that"
	case c.Home:
		text = "its home, and proved clean"
	}
	text += ", holds " + plural(c.Held, "VIP")
	if c.OwesProof {
		text += "; ranks behind others: its own VIP is away and waits for its memcached"
	}
	return text
}

// vip returns a node's part in a VIP, if it told any.
func (n Node) vip(address string) (NodeVIP, bool) {
	i := slices.IndexFunc(n.VIPs, func(v NodeVIP) bool { return v.Address == address })
	if i < 0 {
		return NodeVIP{}, false
	}
	return n.VIPs[i], true
}

// instanceOf returns the memcached that would serve a VIP on the node.
func (n Node) instanceOf(v VIP) Instance {
	for _, in := range n.Instances {
		if in.Address == v.Instance || len(n.Instances) == 1 {
			return in
		}
	}
	return Instance{Address: v.Instance}
}

// sharing returns the other VIPs that the node serves from the instance of one.
func (n Node) sharing(r Report, v VIP) []string {
	var held []string
	for _, other := range r.VIPs {
		own, _ := n.vip(other.Address)
		if other.Address != v.Address && own.Cache == CacheServing && n.instanceOf(other).Address == n.instanceOf(v).Address {
			held = append(held, other.Address)
		}
	}
	return held
}

// span is a number of milliseconds as people say it.
func span(ms int64) string { return layout.Span(time.Duration(ms) * time.Millisecond) }
