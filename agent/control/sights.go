package control

import (
	"fmt"
	"slices"
	"time"

	"memvip/agent/core"
)

// What several nodes see of a VIP from where they are: the lease says who may answer for it, a client's ARP who does.

// sights lists what the nodes that were asked see of a VIP.
func (w view) sights(v core.VIPStatus) []Sight {
	out := []Sight{}
	for _, seen := range w.facts.Views {
		i := slices.IndexFunc(seen.VIPs, func(s VIPSight) bool { return s.Address == string(v.Name) })
		if i < 0 {
			continue
		}
		s := seen.VIPs[i]
		x := Sight{Node: seen.Node, Holder: s.Holder, Asked: s.Asked, MACs: append([]string{}, s.MACs...), Trouble: s.Trouble}
		x.Agrees = seen.Node == v.Holder || s.Asked && len(s.MACs) == 1 && w.owner(s.MACs[0]) == v.Holder
		out = append(out, x)
	}
	return out
}

// settled is where a VIP is by the word of others, where this node does not hear enough voters to know who has it: its
// holder says so itself, and a node that hears more of them agrees.
func (w view) settled(v core.VIPStatus) core.VIPStatus {
	if v.Holder != "" {
		return v
	}
	for _, n := range w.Nodes {
		x, _ := part(n, v.Name)
		if x.Role == core.Holding && !w.self(n.Name) && !w.silent(n) && w.named(v.Name, n.Name) {
			v.Holder, v.Holding, v.HeldFor = n.Name, true, x.HeldFor+n.Ago
			return v
		}
	}
	return v
}

// named reports whether a node that was asked hears from a majority of the voters that another has a VIP.
func (w view) named(vip core.Name, holder string) bool {
	return slices.ContainsFunc(w.facts.Views, func(seen View) bool {
		return !w.self(seen.Node) && slices.ContainsFunc(seen.VIPs, func(s VIPSight) bool { return s.Address == string(vip) && s.Holder == holder })
	})
}

// owner is the node that tells a MAC as its own; "" if none does.
func (w view) owner(mac string) string {
	for _, n := range w.Nodes {
		if slices.Contains(n.State.MACs, mac) {
			return n.Name
		}
	}
	return ""
}

// sightProblems names VIPs that a host answers for which does not hold them. What no node asked is no problem.
func (w view) sightProblems() []Problem {
	var out []Problem
	for _, v := range w.VIPs {
		if w.place(v) == PlaceUnknown {
			continue // it may be the holder's
		}
		for _, s := range w.sights(v) {
			for _, mac := range s.MACs {
				who := w.owner(mac)
				if who == v.Holder || w.conflictTold(v.Name, mac) {
					continue
				}
				p := degraded(ProblemAnswered, []string{s.Node}, "find that host by its MAC in the switch's table, and take the address off it",
					"%s is answered for by %s, as %s sees it, and not by its holder%s", v.Name, hostOf(who, mac), s.Node, inParentheses(v.Holder))
				if who != "" {
					p.Hint = "on " + who + ": ip addr; if its agent does not run, systemctl start memvip-agent removes what it left"
				}
				p.VIPs = []string{string(v.Name)}
				if !slices.ContainsFunc(out, func(o Problem) bool { return o.VIPs[0] == p.VIPs[0] }) {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// silentAfter is how long a VIP has to be held before it counts that nobody hears an answer: no node has an older question
// under way then.
const silentAfter = 3 * time.Second

// silentProblems names VIPs whose holder no other node gets an answer from. One question may be lost, so two nodes have to
// have asked in vain where there are two.
func (w view) silentProblems() []Problem {
	var out []Problem
	for _, v := range w.VIPs {
		if !w.place(v).served() || v.HeldFor < silentAfter {
			continue
		}
		var asked []string
		answered := false
		for _, s := range w.sights(v) {
			if s.Asked && s.Node != v.Holder {
				asked = append(asked, s.Node)
				answered = answered || len(s.MACs) > 0
			}
		}
		if answered || len(asked) == 0 || len(asked) < min(2, w.facts.vip(v.Name).Eligible-1) {
			continue
		}
		p := degraded(ProblemUnanswered, []string{v.Holder}, fmt.Sprintf("agentctl doctor %s; on %s: sysctl -a | grep arp_ignore; nft list ruleset; "+
			"its switch port and VLAN", v.Holder, v.Holder),
			"%s holds %s, but nobody answers for it on the link (asked by %s): no client can reach it", v.Holder, v.Name, list(asked))
		p.VIPs = []string{string(v.Name)}
		out = append(out, p)
	}
	return out
}

func hostOf(node, mac string) string {
	if node == "" {
		return fmt.Sprintf("a host that is no member (%s)", mac)
	}
	return fmt.Sprintf("%s (%s)", node, mac)
}

// conflictTold reports whether a node tells of that claim itself, so that it is a problem already.
func (w view) conflictTold(name core.Name, mac string) bool {
	return slices.ContainsFunc(w.Nodes, func(n core.NodeStatus) bool {
		v, ok := part(n, name)
		return ok && v.Conflict == mac
	})
}
