package control

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"memvip/agent/core"
	"memvip/agent/layout"
)

// ProblemCode names a kind of problem. The set is closed.
type ProblemCode string

// The problems.
const (
	ProblemNotServed      ProblemCode = "vip_not_served"
	ProblemUnknown        ProblemCode = "vip_unknown" // the reporting node hears no majority
	ProblemAway           ProblemCode = "vip_away_from_home"
	ProblemNotQuorate     ProblemCode = "not_quorate" // the reporting node
	ProblemAddressMissing ProblemCode = "address_missing"
	ProblemAddressStray   ProblemCode = "address_stray"
	ProblemConflict       ProblemCode = "address_conflict" // another host claims a VIP's address
	ProblemAnswered       ProblemCode = "address_answered" // another host answers for it, as a node sees it
	ProblemUnanswered     ProblemCode = "address_silent"   // nobody answers for it, as all nodes see it
	ProblemAlone          ProblemCode = "no_stand_in"      // nobody could take a VIP over
	ProblemPaused         ProblemCode = "handback_paused"

	ProblemVoterNever    ProblemCode = "voter_never_answered"
	ProblemVoterSilent   ProblemCode = "voter_not_answering"
	ProblemVoterLost     ProblemCode = "voter_lost_state"
	ProblemVoterRefuses  ProblemCode = "voter_refuses"
	ProblemNodeNever     ProblemCode = "node_never_heard"
	ProblemNodeSilent    ProblemCode = "node_not_heard"
	ProblemNodeCutOff    ProblemCode = "node_not_quorate"
	ProblemDisk          ProblemCode = "disk_error"
	ProblemDraining      ProblemCode = "draining"
	ProblemStopping      ProblemCode = "stopping"
	ProblemOtherKey      ProblemCode = "other_key"    // what a node sends was sealed with another key
	ProblemParted        ProblemCode = "nodes_parted" // what a node sends does not reach another
	ProblemOtherHands    ProblemCode = "address_removed"
	ProblemInstanceDown  ProblemCode = "memcached_down"
	ProblemInstanceNew   ProblemCode = "memcached_not_probed"
	ProblemInstanceLimit ProblemCode = "memcached_limited"
	ProblemUnprovable    ProblemCode = "memcached_unprovable"
	ProblemConnections   ProblemCode = "connections_left"
	ProblemLink          ProblemCode = "interface_down"
	ProblemStuck         ProblemCode = "address_stuck"
	ProblemTainted       ProblemCode = "tainted"

	ProblemVoterLists ProblemCode = "voter_lists_differ"
	ProblemVoterList  ProblemCode = "voter_change"   // the configured voters are not, or not yet, those that count
	ProblemRefused    ProblemCode = "reload_refused" // or an upgrade
	ProblemOnDisk     ProblemCode = "config_on_disk" // what is in the file is not what the agent runs with
	ProblemVersions   ProblemCode = "versions_differ"
	ProblemConfigs    ProblemCode = "configs_differ"
	ProblemDetector   ProblemCode = "slow_detector"
	ProblemFence      ProblemCode = "weak_fence"
	ProblemMetrics    ProblemCode = "metrics_not_served"
	ProblemKeys       ProblemCode = "keys_differ" // of gossip, or a rotation of them was not ended
)

// slowDetector is what core.NodeState.Detector says where the kernel does not report exits.
const slowDetector = "connection end"

// What core.NodeState.Fence says where it is not the best there is.
const (
	lifetimeFence = "lifetime"
	noFence       = "off"
)

// problems lists all that is not as it should be, the worst first.
func (w view) problems() []Problem {
	out := slices.Concat(w.vipProblems(), w.aloneProblems(), w.conflictProblems(), w.sightProblems(), w.silentProblems(), w.ownProblems(), w.partedProblems(), w.voterProblems(), w.voterChangeProblems(), w.refusedProblems(), w.diskProblems())
	for _, n := range w.Nodes {
		out = append(out, w.nodeProblems(n)...)
	}
	out = append(out, w.differences()...)
	out = append(out, w.keyProblems()...)
	for i := range out {
		out[i].VIPs = append([]string{}, out[i].VIPs...)
		out[i].Nodes = append([]string{}, out[i].Nodes...)
	}
	slices.SortStableFunc(out, func(a, b Problem) int { return severityRank(a.Severity) - severityRank(b.Severity) })
	return append([]Problem{}, out...)
}

func severityRank(s Severity) int {
	switch s {
	case SeverityUnserved:
		return 0
	case SeverityDegraded:
		return 1
	case SeverityNote:
	}
	return 2
}

func degraded(code ProblemCode, nodes []string, hint, format string, args ...any) Problem {
	return Problem{Severity: SeverityDegraded, Code: code, Nodes: nodes, Hint: hint, Text: fmt.Sprintf(format, args...)}
}

// vipProblems has one problem for all VIPs that share place, holder, home and reason.
func (w view) vipProblems() []Problem {
	type group struct {
		problem Problem
		because string
	}
	var groups []group
	for _, v := range w.VIPs {
		p, because := w.vipProblem(v)
		if p.Code == "" {
			continue
		}
		same := func(g group) bool {
			return g.because == because && g.problem.Code == p.Code && slices.Equal(g.problem.Nodes, p.Nodes)
		}
		if i := slices.IndexFunc(groups, same); i >= 0 {
			groups[i].problem.VIPs = append(groups[i].problem.VIPs, string(v.Name))
			continue
		}
		p.VIPs = []string{string(v.Name)}
		groups = append(groups, group{p, because})
	}
	return each(groups, func(g group) Problem {
		is := " is "
		if len(g.problem.VIPs) > 1 {
			is = " are "
		}
		g.problem.Text = list(g.problem.VIPs) + is + g.because
		return g.problem
	})
}

// aloneProblems names the VIPs that are served and that no other node could take over now, though another is meant to. It is
// one problem: what to do about it is said by those of the nodes.
func (w view) aloneProblems() []Problem {
	var alone []string
	for _, v := range w.VIPs {
		if w.place(v).served() && w.facts.vip(v.Name).Eligible > 1 && !w.standIn(v) {
			alone = append(alone, string(v.Name))
		}
	}
	if len(alone) == 0 {
		return nil
	}
	p := degraded(ProblemAlone, nil, "agentctl explain "+alone[0]+" has every node's reason",
		"no other node could take over %s now: the next failure there would leave clients without", list(alone))
	p.VIPs = alone
	return []Problem{p}
}

// standIn reports whether a node is heard that could take a VIP over from its holder.
func (w view) standIn(v core.VIPStatus) bool {
	return slices.ContainsFunc(w.Nodes, func(n core.NodeStatus) bool {
		x, told := part(n, v.Name)
		return told && n.Name != v.Holder && !w.silent(n) && n.State.Quorate && x.Standing == core.Eligible && x.Clean
	})
}

// vipProblem returns a problem without its VIPs, and the end of its sentence; no code if all is well.
func (w view) vipProblem(v core.VIPStatus) (p Problem, because string) {
	reason := w.why(v)
	text := reason.text + aged(reason)
	switch w.place(v) {
	case PlaceHome:
		return Problem{}, ""
	case PlaceAway:
		p = Problem{Severity: SeverityDegraded, Code: ProblemAway, Nodes: []string{v.Home, v.Holder}, Hint: w.awayHint(v, reason.code)}
		if reason.code == whyComing(core.AwayNever) {
			p.Severity = SeverityNote // where it is meant to be
		}
		return p, fmt.Sprintf("at %s, not at its home %s: %s", v.Holder, v.Home, text)
	case PlaceTaking:
		return Problem{Severity: SeverityUnserved, Code: ProblemNotServed, Nodes: []string{v.Holder}}, "not served: " + text
	case PlaceUnserved:
		p = Problem{Severity: SeverityUnserved, Code: ProblemNotServed, Hint: w.unservedHint(v)}
		return p, "not served: " + text
	case PlaceUnknown:
		return Problem{Severity: SeverityUnserved, Code: ProblemUnknown}, "not known to be served: " + text
	}
	return Problem{}, ""
}

// aged adds its age to news that is not fresh, unless the words have it already.
func aged(y why) string {
	if y.age < time.Second || y.code == WhyHomeSilent || y.code == WhyNoMajority {
		return ""
	}
	return " (heard " + layout.Span(y.age) + " ago)"
}

func (w view) awayHint(v core.VIPStatus, code WhyCode) string {
	switch code {
	case whyComing(core.AwayTainted):
		return w.taintHint(w.node(v.Home), v.Name)
	case whyComing(core.AwayManual):
		return "agentctl handback " + string(v.Name) + " brings it home"
	case whyComing(core.AwayDelay):
		return "agentctl handback " + string(v.Name) + " brings it home without the wait"
	case whyComing(core.AwayPaused):
		return "agentctl resume, or agentctl handback " + string(v.Name)
	}
	return ""
}

// unservedHint names the first tainted node that a restart would make able to serve.
func (w view) unservedHint(v core.VIPStatus) string {
	for _, n := range w.Nodes {
		x, ok := part(n, v.Name)
		if ok && !w.silent(n) && x.Role == core.Idle && x.Standing == core.Eligible && w.cache(n, x) == CacheTainted {
			if hint := w.taintHint(n, v.Name); hint != "" {
				return hint
			}
		}
	}
	return ""
}

// taintHint says how to get a proof that does not come by itself.
func (w view) taintHint(n core.NodeStatus, name core.Name) string {
	in := w.instance(n, name)
	switch {
	case in.Stage == core.FlushQuieting && in.Trouble != "":
		return fmt.Sprintf("see who uses memcached on %s by another address than a VIP: ss -tn 'sport = :%s'", n.Name, port(in.Address))
	case in.Stage == core.FlushIdle && len(w.sharing(n, name)) > 0:
		return w.restartHint(n.Name, in, w.facts.vip(name).RestartCommand)
	}
	return ""
}

// restartHint says who restarts a memcached that serves other VIPs: the agent, where it was given a command for that which
// does not fail.
func (w view) restartHint(node string, in core.InstanceState, command []string) string {
	switch {
	case len(command) == 0:
		return fmt.Sprintf("a restart of memcached on %s proves it clean and costs its cache; restart_command lets the agent do it", node)
	case strings.HasPrefix(in.Trouble, core.RestartTrouble):
		return fmt.Sprintf("on %s, as the agent does it, which costs its cache: runuser -u memvip -- %s; polkit lets that user restart what "+
			"/usr/share/polkit-1/rules.d/50-memvip.rules names", node, strings.Join(command, " "))
	}
	return fmt.Sprintf("restart_command restarts memcached on %s, which costs its cache, when no other node is clean for it", node)
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// ownProblems are those that only the reporting node can have.
func (w view) ownProblems() []Problem {
	var out []Problem
	if q := w.quorum(); !q.Quorate {
		out = append(out, degraded(ProblemNotQuorate, []string{w.Node}, w.quorumHint(),
			"%s hears %d of %s, %d are needed: it can hold no VIP%s", w.Node, q.Answering, plural(q.Voters, "voter"), q.Needed, w.missingVoters()))
	}
	if why := w.facts.MetricsTrouble; why != "" {
		out = append(out, Problem{Severity: SeverityNote, Code: ProblemMetrics, Nodes: []string{w.Node},
			Text: fmt.Sprintf("nobody can read the metrics of %s: %s", w.Node, why), Hint: "on " + w.Node + ": ss -ltnp; [metrics] listen is where"})
	}
	me := w.node(w.Node)
	for _, f := range w.facts.VIPs {
		v, _ := part(me, f.Name)
		a, up := w.facts.up(f.Name)
		switch {
		case v.Role == core.Holding && !up:
			p := degraded(ProblemAddressMissing, []string{w.Node}, "see what else manages the interface: networkd, NetworkManager, keepalived",
				"%s holds %s, but the address is not on its interface", w.Node, f.Name)
			p.VIPs = []string{string(f.Name)}
			out = append(out, p)
		case v.Role == core.Idle && up:
			p := degraded(ProblemAddressStray, []string{w.Node}, "",
				"%s is on %s of %s, which does not hold it", f.Name, a.Interface, w.Node)
			p.VIPs = []string{string(f.Name)}
			out = append(out, p)
		}
	}
	return out
}

// voterProblems are about the voters' answers, except where the voter's node is gone altogether.
func (w view) voterProblems() []Problem {
	var out []Problem
	for _, v := range w.Voters {
		n := w.node(v.Name)
		refusal := refusalOf(v.LastReason)
		words := refusalWords(refusal, v.Name, w.Node, v.Other)
		switch nodes := []string{v.Name}; {
		case v.Silent > 0:
			out = append(out, degraded(ProblemVoterLost, nodes, "", "voter %s has no state from before, and grants nothing for another %s", v.Name, layout.Span(v.Silent)))
		case words != "" && refusal != core.Silent:
			out = append(out, degraded(ProblemVoterRefuses, nodes, refusalHint(refusal), "voter %s", words))
		case w.answering(v), w.configured(v.Name) && w.silent(n), w.partedFrom(v.Name):
		case !v.Heard && !w.configured(v.Name):
			out = append(out, degraded(ProblemVoterNever, nodes, "", "voter %s has never answered %s", v.Name, w.Node))
		case !v.Heard:
			out = append(out, degraded(ProblemVoterNever, nodes, "", "voter %s has never answered %s, though it is heard", v.Name, w.Node))
		default:
			out = append(out, degraded(ProblemVoterSilent, nodes, "", "voter %s has not answered %s for %s", v.Name, w.Node, layout.Span(v.Ago)))
		}
	}
	return out
}

// voterChangeProblems say why the configured voters are not those that count. That a change waits for leases to end is a
// note: it takes seconds.
func (w view) voterChangeProblems() []Problem {
	c := w.Change
	switch {
	case c == nil:
		return nil
	case c.Refused != "":
		return []Problem{degraded(ProblemVoterList, []string{w.Node}, "put the voters in force back into "+w.facts.ConfigPath+", and agentctl reload; then one more or less at a time",
			"%s goes on with the voters of before: %s", w.Node, c.Refused)}
	case len(c.WaitsFor) > 0:
		return []Problem{degraded(ProblemVoterList, c.WaitsFor, w.voterChangeHint(c.WaitsFor),
			"%s goes on from the voters %s to %s only once %s agreed", w.Node, list(c.From), list(c.To), hasOrHave(c.WaitsFor))}
	}
	return []Problem{{Severity: SeverityNote, Code: ProblemVoterList, Nodes: []string{w.Node},
		Text: fmt.Sprintf("%s is about to go on from the voters %s to %s", w.Node, list(c.From), list(c.To))}}
}

func hasOrHave(names []string) string {
	if len(names) == 1 {
		return names[0] + " has"
	}
	return list(names) + " have"
}

// voterChangeHint says what can be done about voters that are waited for.
func (w view) voterChangeHint(waitsFor []string) string {
	var mute []string
	for _, v := range w.Voters {
		if slices.Contains(waitsFor, v.Name) && !w.answering(v) {
			mute = append(mute, strconv.Quote(v.Name))
		}
	}
	if len(mute) == 0 {
		return "agentctl status there says what it waits for; every host needs the same configuration"
	}
	return "start the agent there; or if the host is off for good, voters_off = [" + strings.Join(mute, ", ") + "] in [cluster] on every host, and agentctl reload"
}

func refusalHint(r core.Refusal) string {
	switch r {
	case core.SameName:
		return "every host needs a name of its own: memvip-agent --node NAME"
	case core.OtherList, core.TooLong:
		return "every host needs the same configuration"
	case core.NotUnderstood:
		return "upgrade the older agent"
	case core.NotRefused, core.WrongIncarnation, core.Silent, core.OldRequest, core.Held, core.Reserved:
	}
	return ""
}
