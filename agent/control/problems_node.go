package control

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"memvip/agent/core"
)

// nodeProblems are about one node, by its own word. Of a node that is gone only that is said: what it
// told before is no news.
func (w view) nodeProblems(n core.NodeStatus) []Problem {
	if w.silent(n) {
		return []Problem{w.goneProblem(n)}
	}
	return slices.Concat(w.stateProblems(n), w.instanceProblems(n), w.standingProblems(n), w.taintProblems(n))
}

// stateProblems concern the node as a whole.
func (w view) stateProblems(n core.NodeStatus) []Problem {
	var out []Problem
	s, nodes := n.State, []string{n.Name}
	if !s.Quorate && !w.self(n.Name) {
		out = append(out, degraded(ProblemNodeCutOff, nodes, "", "%s hears no majority of the voters", n.Name))
	}
	if s.DiskError != "" {
		out = append(out, degraded(ProblemDisk, nodes, "on "+n.Name+": df and ls -ld of its runtime directory (/run/memvip)",
			"%s cannot write its state file and takes no VIP: %s", n.Name, s.DiskError))
	}
	if s.Draining {
		out = append(out, degraded(ProblemDraining, nodes, "agentctl undrain "+n.Name+" when it may serve again", "%s is being drained and takes no VIP", n.Name))
	}
	if s.Stopping {
		out = append(out, degraded(ProblemStopping, nodes, "", "the agent on %s is stopping", n.Name))
	}
	return out
}

// instanceProblems concern one memcached of the node each.
func (w view) instanceProblems(n core.NodeStatus) []Problem {
	var out []Problem
	for _, in := range n.State.Instances {
		which, nodes := "memcached on "+n.Name, []string{n.Name}
		if len(n.State.Instances) > 1 {
			which = fmt.Sprintf("memcached %s on %s", in.Address, n.Name)
		}
		reason := instanceWords(in.Reason)
		switch {
		case !in.Known:
			out = append(out, degraded(ProblemInstanceNew, nodes, "", "%s has not been probed yet", which))
		case !in.Up:
			out = append(out, degraded(ProblemInstanceDown, nodes, w.instanceHint(n.Name, in), "%s %s%s", which, downWord(in.Reason), inParentheses(reason)))
		case w.unprovable(n, in.Address):
			out = append(out, degraded(ProblemUnprovable, nodes, w.unprovableHint(n.Name, in),
				"%s cannot be proved clean%s, so %s takes no VIP", which, inParentheses(reason), n.Name))
		case reason != "":
			out = append(out, degraded(ProblemInstanceLimit, nodes, w.unprovableHint(n.Name, in), "%s is up, but: %s%s", which, reason, limit(in)))
		}
	}
	return out
}

func (w view) unprovable(n core.NodeStatus, address string) bool {
	return slices.ContainsFunc(n.State.VIPs, func(v core.VIPState) bool {
		return v.Standing == core.Unprovable && w.instance(n, v.Name).Address == address
	})
}

// standingProblems concern some VIPs of a node and nothing that the other problems cover.
func (w view) standingProblems(n core.NodeStatus) []Problem {
	kinds := []struct {
		standing core.Standing
		code     ProblemCode
		hint     string
		format   string
	}{
		{core.ConnectionsLeft, ProblemConnections, "a restart of memcached on " + n.Name + " ends them", "memcached on " + n.Name + " may still execute what it was sent on %s"},
		{core.LinkDown, ProblemLink, "on " + n.Name + ": ip -br link", "the interface of %s on " + n.Name + " is down or missing"},
		{core.OtherHands, ProblemOtherHands, otherHandsHint(n.Name), "somebody on " + n.Name + " removes %s from its interface again and again"},
		{core.AddressStuck, ProblemStuck, "on " + n.Name + ": journalctl -u memvip-agent", "the kernel of " + n.Name + " refused to add or remove %s"},
	}
	var out []Problem
	for _, k := range kinds {
		var vips []string
		for _, v := range n.State.VIPs {
			if v.Standing == k.standing {
				vips = append(vips, string(v.Name))
			}
		}
		if len(vips) > 0 {
			p := degraded(k.code, []string{n.Name}, k.hint, k.format, list(vips))
			p.VIPs = vips
			out = append(out, p)
		}
	}
	return out
}

// taintProblems lists the VIPs that a node could not serve for want of a proof, once for each reason.
// A home whose VIP waits for just that has it said with the VIP.
func (w view) taintProblems(n core.NodeStatus) []Problem {
	if w.saidWithVIP(n) {
		return nil
	}
	var out []Problem
	for _, v := range n.State.VIPs {
		if w.cache(n, v) != CacheTainted || w.saidOtherwise(v) {
			continue
		}
		taint := w.taint(n, v.Name)
		i := slices.IndexFunc(out, func(p Problem) bool { return strings.HasSuffix(p.Text, ": "+taint) })
		if i < 0 {
			out = append(out, degraded(ProblemTainted, []string{n.Name}, w.taintHint(n, v.Name), ": %s", taint))
			i = len(out) - 1
		}
		out[i].VIPs = append(out[i].VIPs, string(v.Name))
	}
	for i := range out {
		out[i].Text = fmt.Sprintf("memcached on %s may hold old values of %s%s", n.Name, list(out[i].VIPs), out[i].Text)
	}
	return out
}

// saidOtherwise reports whether another problem covers that a node is tainted for a VIP: the VIP's own,
// or that of the node's standing.
func (w view) saidOtherwise(v core.VIPState) bool {
	unserved := slices.ContainsFunc(w.VIPs, func(s core.VIPStatus) bool {
		return s.Name == v.Name && w.place(s) == PlaceUnserved
	})
	return unserved || v.Standing == core.Unprovable || v.Standing == core.ConnectionsLeft
}

func (w view) saidWithVIP(n core.NodeStatus) bool {
	return slices.ContainsFunc(w.VIPs, func(v core.VIPStatus) bool {
		return v.Home == n.Name && w.why(v).code == whyComing(core.AwayTainted)
	})
}

// differences are between nodes that should be alike.
func (w view) differences() []Problem {
	var out []Problem
	lists := w.byWord(func(s core.NodeState) string { return voterList(s.List) })
	if len(lists) > 1 {
		out = append(out, degraded(ProblemVoterLists, nil, "every host needs the same [cluster] voters, and agentctl reload since; what one waits for, its own agentctl status says",
			"nodes count different lists of voters: %s", apart(lists)))
	}
	configs := w.byWord(func(s core.NodeState) string { return s.Config })
	if len(configs) > 1 {
		minority := configs[len(configs)-1].nodes
		out = append(out, degraded(ProblemConfigs, minority,
			fmt.Sprintf("compare the files: sha256sum %s on every host; put the right one there, and agentctl reload %s", w.facts.ConfigPath, minority[0]),
			"nodes run with different configurations: %s", apart(configs)))
	}
	if w.Pause.On {
		out = append(out, Problem{Severity: SeverityNote, Code: ProblemPaused, Text: "hand-backs are paused, as was said at " + w.Pause.By, Hint: "agentctl resume ends it"})
	}
	builds := w.byWord(func(s core.NodeState) string { return s.Build })
	if len(builds) > 1 {
		out = append(out, Problem{Severity: SeverityNote, Code: ProblemVersions, Text: "agents differ in version: " + apart(builds)})
	}
	if open := w.those(func(s core.NodeState) bool { return s.Fence == noFence }); len(open) > 0 {
		out = append(out, degraded(ProblemFence, open, `fence = "auto" in [cluster]`,
			"nothing closes an address on %s if the agent there is frozen or dead: two hosts would answer", list(open)))
	}
	if weak := w.those(func(s core.NodeState) bool { return s.Fence == lifetimeFence }); len(weak) > 0 {
		out = append(out, Problem{Severity: SeverityNote, Code: ProblemFence, Nodes: weak,
			Text: "the fence of " + list(weak) + " is the address's own lifetime: its leases are 5 s, and its death is noticed that late",
			Hint: "a kernel with nftables (inet, arp, sets with timeouts) has the better one; the agent's log says what was missing"})
	}
	if slow := w.those(func(s core.NodeState) bool { return !s.Witness && s.Detector == slowDetector }); len(slow) > 0 {
		out = append(out, Problem{Severity: SeverityNote, Code: ProblemDetector, Nodes: slow,
			Text: "memcached's death is noticed late on " + list(slow) + ": by the end of a connection, not by the kernel's word",
			Hint: "the agent needs CAP_NET_ADMIN in the first namespaces of its host"})
	}
	return out
}

// those are the nodes, heard now, that say something of themselves.
func (w view) those(say func(core.NodeState) bool) []string {
	var some []string
	for _, n := range w.Nodes {
		if !w.silent(n) && say(n.State) {
			some = append(some, n.Name)
		}
	}
	return some
}

// alike is the nodes that say the same word of themselves.
type alike struct {
	word  string
	nodes []string
}

// byWord groups the nodes that are heard now, the biggest group first.
func (w view) byWord(word func(core.NodeState) string) []alike {
	var out []alike
	for _, n := range w.Nodes {
		said := word(n.State)
		if w.silent(n) || said == "" {
			continue
		}
		i := slices.IndexFunc(out, func(a alike) bool { return a.word == said })
		if i < 0 {
			out = append(out, alike{word: said})
			i = len(out) - 1
		}
		out[i].nodes = append(out[i].nodes, n.Name)
	}
	slices.SortStableFunc(out, func(a, b alike) int { return cmp.Compare(len(b.nodes), len(a.nodes)) })
	return out
}

func apart(groups []alike) string {
	var parts []string
	for _, g := range groups {
		parts = append(parts, fmt.Sprintf("%s on %s", g.word, list(g.nodes)))
	}
	return strings.Join(parts, "; ")
}
