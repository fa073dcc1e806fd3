package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"memvip/agent/core"
	"memvip/agent/layout"
	"memvip/systemd"
)

// A node that is not heard may be dead, cut off, without an agent, or speak with another key. What can be told apart
// from here is: by what arrives sealed, and by whether its host answers ARP.

// sealedFresh is how long a packet that could not be opened counts.
const sealedFresh = 10 * time.Second

// goneProblem is about a node that is not heard.
func (w view) goneProblem(n core.NodeStatus) Problem {
	code, voter, since := ProblemNodeSilent, "", "for "+layout.Span(n.Ago)
	if n.Voter {
		voter = ", a voter,"
	}
	if !n.Heard {
		code, since = ProblemNodeNever, "since this agent started"
	}
	nodes, what := []string{n.Name}, fmt.Sprintf("%s%s has not been heard %s", n.Name, voter, since)
	agent := "on " + n.Name + ": systemctl status memvip-agent"
	if s, ok := w.sealed(n.Name); ok {
		return degraded(ProblemOtherKey, nodes, w.keyHint(n.Name), "%s: its packets arrive (%d, the last %s ago), but the key of %s does not open them: "+
			"one of the two has another key", what, s.Packets, layout.Span(s.Ago), w.Node)
	}
	switch w.facts.Reach[n.Name] {
	case ReachAnswers:
		return degraded(code, nodes, agent+"; if it runs, "+w.firewall(n.Name), "%s, though its host answers on the link: its agent does not run, or is not let through", what)
	case ReachNothing:
		return degraded(code, nodes, fmt.Sprintf("power, cable and switch port of %s; agentctl status on its own console tells whether it runs", n.Name),
			"%s, and its host does not answer on the link: it is down, or cut off from %s", what, w.Node)
	case ReachUnknown:
	}
	return degraded(code, nodes, agent+"; else the network between, or another gossip key", "%s", what)
}

// sealed returns what came from a node of late and could not be opened.
func (w view) sealed(node string) (SealedFacts, bool) {
	s := w.facts.Sealed[node]
	return s, s.Packets > 0 && s.Ago < sealedFresh
}

// keyHint names the host whose key is probably the wrong one: this one's, if it can open nobody's packets.
func (w view) keyHint(node string) string {
	opened := slices.ContainsFunc(w.Nodes, func(n core.NodeStatus) bool { return !w.self(n.Name) && !w.silent(n) })
	if !opened && len(w.Nodes) > 2 {
		node = w.Node
	}
	return fmt.Sprintf("agentctl keys, on every host, says which keys it has; copy %s of another host to %s, probably the odd one, and there: agentctl keys reload",
		w.facts.KeyPath, node)
}

// firewall says what may keep the packets of a node away.
func (w view) firewall(node string) string {
	text := fmt.Sprintf("a firewall: UDP and TCP port %d between the hosts", w.facts.Port)
	if ip, err := netip.ParseAddr(w.addressOf(node)); err == nil && !systemd.Reaches(ip) {
		text += fmt.Sprintf("; or the unit, which lets no public address pass: a drop-in with IPAddressAllow=%s", ip)
	}
	return text
}

// unanswering lists the voters that have not answered this node within one lease.
func (w view) unanswering() []string {
	var names []string
	for _, v := range w.Voters {
		if !w.answering(v) {
			names = append(names, v.Name)
		}
	}
	return names
}

// missingVoters ends a sentence about a lost majority.
func (w view) missingVoters() string {
	names := w.unanswering()
	if len(names) == 0 {
		return ""
	}
	verb := " do not answer"
	if len(names) == 1 {
		verb = " does not answer"
	}
	return "; " + list(names) + verb
}

// quorumHint says where to look first: at the key, if packets arrive that it does not open; here, if nobody's host
// answers on the link.
func (w view) quorumHint() string {
	lost := w.unanswering()
	if i := slices.IndexFunc(lost, func(n string) bool { _, ok := w.sealed(n); return ok }); i >= 0 {
		return w.keyHint(lost[i])
	}
	nothing := slices.ContainsFunc(lost, func(n string) bool { return w.facts.Reach[n] == ReachNothing })
	anything := slices.ContainsFunc(lost, func(n string) bool { return w.facts.Reach[n] != ReachNothing })
	if nothing && !anything {
		return fmt.Sprintf("not even their hosts answer on the link: either they are all down, or %s is cut off: see its cable and switch port, "+
			"ip -br link, and ping another host; agentctl status on a node that is not cut off knows more", w.Node)
	}
	return fmt.Sprintf("see that the agents on %s run (systemctl status memvip-agent) and that UDP and TCP port %d between them pass; "+
		"agentctl status on a node that is not cut off knows more", strings.Join(lost, ", "), w.facts.Port)
}
