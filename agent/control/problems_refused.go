package control

import (
	"maps"
	"slices"

	"memvip/agent/layout"
)

// refusedProblems are about reloads and upgrades that nodes would not take part in.
func (w view) refusedProblems() []Problem {
	refused := maps.Clone(w.facts.Refused)
	for _, seen := range w.facts.Views {
		if seen.Refused != nil {
			if refused == nil {
				refused = map[string]Refused{}
			}
			refused[seen.Node] = *seen.Refused
		}
	}
	var out []Problem
	for _, node := range slices.Sorted(maps.Keys(refused)) {
		r := refused[node]
		hint := "mend " + w.facts.ConfigPath + " on " + node + ", and agentctl reload " + node
		if r.What == "upgrade" {
			hint = "on " + node + ": put a program there that will do, and systemctl kill -s USR2 memvip-agent"
		}
		out = append(out, degraded(ProblemRefused, []string{node}, hint,
			"%s refused a%s %s ago and goes on as it was: %s", node, articled(r.What), layout.Span(r.Ago), r.Why))
	}
	return out
}

// diskProblems are about the configuration file of the reporting node: what is wrong with it would be found out by the next
// start, perhaps of all hosts at once.
func (w view) diskProblems() []Problem {
	path, d := w.facts.ConfigPath, w.facts.OnDisk
	switch {
	case d.Fault != "":
		return []Problem{degraded(ProblemOnDisk, []string{w.Node}, "on "+w.Node+": agentctl check "+path,
			"%s has changed since the agent on %s read it, and the next start would fail: %s", path, w.Node, d.Fault)}
	case d.Differs:
		return []Problem{{Severity: SeverityNote, Code: ProblemOnDisk, Nodes: []string{w.Node}, Hint: "agentctl check " + path + " says what a reload would change",
			Text: path + " has changed since the agent on " + w.Node + " read it"}}
	}
	return nil
}

// articled is a word after its "a" or "an".
func articled(word string) string {
	if word == "upgrade" {
		return "n " + word
	}
	return " " + word
}
