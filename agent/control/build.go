package control

import (
	"fmt"
	"slices"
	"strings"

	"memvip/agent/core"
)

// Build makes the report of one instant. It keeps nothing of what it is given and changes none of it.
func Build(s core.Status, f Facts) Report {
	w := view{s, f}
	w.VIPs = each(w.VIPs, w.settled)
	s.VIPs = w.VIPs
	r := Report{
		Schema: Schema, Time: f.Now, Cluster: f.Cluster, Node: s.Node, Build: f.Build, Started: f.Started,
		Config:    Config{Path: f.ConfigPath, Digest: f.ConfigDigest},
		Bounds:    outages(w.settings()),
		Pause:     Pause{On: s.Pause.On, By: s.Pause.By},
		Quorum:    w.quorum(),
		Voters:    each(s.Voters, w.voter),
		VIPs:      each(s.VIPs, w.vip),
		Nodes:     each(s.Nodes, w.nodeReport),
		Addresses: each(f.Addresses, address),
		Detector:  f.Detector,
		Gossip:    Gossip{Members: append([]Member{}, f.Members...), Counters: f.Counters},
		Counters:  map[string]int{},
	}
	for name, n := range s.Counted {
		r.Counters[name] = n
	}
	r.Problems = w.problems()
	r.Verdict = verdictOf(r.Problems)
	r.VerdictText = verdictText(r)
	return r
}

// settings are those that the slowest failover goes by.
func (w view) settings() Settings {
	s := w.facts.Settings
	if s != (Settings{}) && slices.ContainsFunc(w.Nodes, func(n core.NodeStatus) bool { return !n.State.Witness && n.State.Fence == lifetimeFence }) {
		return s.Unfenced()
	}
	return s
}

// each turns every element of a list; the result is never nil, so that JSON has [] and not null.
func each[A, B any](in []A, turn func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, turn(a))
	}
	return out
}

func (w view) quorum() Quorum {
	q := Quorum{Quorate: w.Quorate, Voters: len(w.Voters), Needed: core.Majority(len(w.Voters))}
	for _, v := range w.Voters {
		if w.answering(v) {
			q.Answering++
		}
	}
	return q
}

func (w view) voter(v core.VoterStatus) Voter {
	return Voter{
		Name: v.Name, Heard: v.Heard, Answering: w.answering(v), AnsweredAge: ms(v.Ago), SilentLeft: ms(v.Silent),
		RoundTrip: v.RTT.Microseconds(), LastRefusal: v.LastReason, OtherAddress: v.Other,
		RefusalText: refusalWords(refusalOf(v.LastReason), v.Name, w.Node, v.Other),
	}
}

func (w view) vip(v core.VIPStatus) VIP {
	f, place, because := w.facts.vip(v.Name), w.place(v), w.why(v)
	out := VIP{
		Address: string(v.Name), Interface: f.Interface, Instance: f.Instance, Failback: failbackWord(f.Failback),
		Home: v.Home, Holder: v.Holder, Served: place.served(), AtHome: place == PlaceHome,
		Place: place, Held: ms(v.HeldFor), Epoch: v.Epoch, Clients: w.facts.Clients[v.Name],
		WhyCode: because.code, WhyShort: because.short, Why: because.text, WhyAge: ms(because.age),
	}
	out.Candidates = each(v.Candidates, func(c core.CandidateStatus) Candidate {
		return Candidate{Node: c.Node, Home: c.Home, Clean: c.Clean, Continues: c.Continues, OwesProof: c.OwesProof, Held: c.Held}
	})
	if l := v.Lease; l != nil {
		out.Lease = &Lease{Term: l.Term.String(), Left: ms(l.Left), GrantedBy: append([]string{}, l.GrantedBy...), Confirmed: append([]string{}, l.Confirmed...)}
	}
	out.Sights = w.sights(v)
	if f.Prefix.IsValid() {
		out.Prefix = f.Prefix.String()
	}
	if v.HeldFor > 0 {
		out.Since = w.facts.Now.Add(-v.HeldFor)
	}
	return out
}

func (w view) nodeReport(n core.NodeStatus) Node {
	s := n.State
	return Node{
		Name: n.Name, Self: w.self(n.Name), Voter: n.Voter, Witness: s.Witness,
		Heard: n.Heard, HeardAge: ms(n.Ago), Silent: w.silent(n),
		Build: s.Build, Quorate: s.Quorate, Draining: s.Draining, Stopping: s.Stopping,
		DiskError: s.DiskError, Detector: s.Detector, Fence: s.Fence, VoterList: voterList(s.List), Config: s.Config, Paused: s.Pause.On, Keys: w.keysOf(n.Name),
		Instances: each(s.Instances, instanceReport),
		VIPs:      each(s.VIPs, func(v core.VIPState) NodeVIP { return w.nodeVIP(n, v) }),
	}
}

func instanceReport(in core.InstanceState) Instance {
	return Instance{
		Address: in.Address, Known: in.Known, Up: in.Up, ReasonCode: in.Reason, Reason: instanceWords(in.Reason), PID: in.PID,
		FlushStage: in.Stage.String(), Flush: flushWords(in.Stage, in.Trouble), Trouble: in.Trouble,
	}
}

func (w view) nodeVIP(n core.NodeStatus, v core.VIPState) NodeVIP {
	return NodeVIP{
		Address: string(v.Name), Role: v.Role.String(), Cache: w.cache(n, v),
		Standing: v.Standing.String(), StandingText: w.standing(n, v).long,
		Conflict: Conflict{MAC: v.Conflict, Node: v.ConflictNode, Age: ms(v.ConflictAgo)},
	}
}

func address(a AddressFacts) Address {
	return Address{Prefix: a.Prefix.String(), Interface: a.Interface, Since: a.Since}
}

// voterList is a list's digest; "" for a node that was never heard.
func voterList(l core.ListID) string {
	if l == (core.ListID{}) {
		return ""
	}
	return fmt.Sprintf("%016x", l.Digest)
}

// verdictOf is the worst that the problems make of it.
func verdictOf(problems []Problem) Verdict {
	verdict := AllWell
	for _, p := range problems {
		switch p.Severity {
		case SeverityUnserved:
			verdict = max(verdict, Unserved)
		case SeverityDegraded:
			verdict = max(verdict, Degraded)
		case SeverityNote:
		}
	}
	return verdict
}

func verdictText(r Report) string {
	served, home := 0, 0
	for _, v := range r.VIPs {
		if v.Served {
			served++
		}
		if v.AtHome {
			home++
		}
	}
	total := len(r.VIPs)
	switch r.Verdict {
	case AllWell:
		if home < total {
			return fmt.Sprintf("all well: %s served, %d of them at home", ofAll(served, total), home)
		}
		return fmt.Sprintf("all well: %s served, at home", ofAll(served, total))
	case Degraded:
		return fmt.Sprintf("degraded: %s served, %d at home, %s", ofAll(served, total), home, troubles(r.Problems))
	case Unserved:
		if !r.Quorum.Quorate {
			return fmt.Sprintf("NOT SERVED, as far as %s knows: %d of %s", r.Node, total-served, plural(total, "VIP"))
		}
		return fmt.Sprintf("NOT SERVED: %d of %s", total-served, plural(total, "VIP"))
	}
	return ""
}

func ofAll(n, total int) string {
	switch {
	case total == 1 && n == 1:
		return "the only VIP is"
	case n == total:
		return fmt.Sprintf("all %d VIPs are", total)
	}
	return fmt.Sprintf("%d of %d VIPs are", n, total)
}

// troubles counts what is worse than a note.
func troubles(problems []Problem) string {
	n := 0
	for _, p := range problems {
		if p.Severity != SeverityNote {
			n++
		}
	}
	return plural(n, "problem")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// list joins names as a sentence does.
func list(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
