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

// articled is a word after its "a" or "an".
func articled(word string) string {
	if word == "upgrade" {
		return "n " + word
	}
	return " " + word
}
