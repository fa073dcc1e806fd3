package doctor

import (
	"fmt"

	"memvip/agent/control"
)

// Diagnosis is all findings of one look at a cluster: the schema of `agentctl doctor --json`.
type Diagnosis struct {
	Schema   int       `json:"schema"`   // of this and of Finding
	Severity Severity  `json:"severity"` // the worst
	Alone    bool      `json:"alone"`    // no agent answered: this host alone was looked at, without what agents know
	Findings []Finding `json:"findings"` // the worst first
}

// Diagnose sums findings up.
func Diagnose(findings []Finding, alone bool) Diagnosis {
	return Diagnosis{Schema: Schema, Severity: Worst(findings), Alone: alone, Findings: append([]Finding{}, sorted(findings)...)}
}

// Unanswered is about a node that was asked what it finds on itself and did not answer, seen from another.
func Unanswered(from, node, why string) Finding {
	return Finding{
		Check: CheckAnswers, Severity: Unknown, Node: from, Subject: node, What: fmt.Sprintf("%s did not say what it finds on itself: %s", node, why),
		Why: "what was not seen may be broken", Mend: "on " + node + ": systemctl status memvip-agent; sudo agentctl doctor",
	}
}

// Agentless is about a host on which no agent answered, so that only agentctl looked at it. No socket is how it is before
// the installation; a socket that nobody answers is a fault.
func Agentless(node, path string, u *control.Unreached) Finding {
	f := Finding{
		Check: CheckAgent, Severity: Unknown, Node: node, Subject: u.Path,
		What: fmt.Sprintf("no agent answers at %s: %s; agentctl looked by itself, as %s of %s, at this host alone", u.Path, u.Words(), node, path),
		Why:  "what only agents see is missing: the other hosts, the voters, the clocks, the fence in use",
		Mend: "systemctl status memvip-agent; journalctl -u memvip-agent",
	}
	switch u.Reason {
	case control.ReasonNoSocket:
		f.Severity, f.Mend = Warning, "systemctl enable --now memvip-agent; where it runs: agentctl doctor --socket PATH"
	case control.ReasonRefused:
		f.Severity, f.Mend = Failure, "systemctl restart memvip-agent; journalctl -u memvip-agent"
	case control.ReasonTimeout:
		f.Severity, f.Mend = Failure, "ps -C memvip-agent -o pid,stat,wchan; systemctl restart memvip-agent"
	case control.ReasonDenied:
		f.Mend = asRoot
	case control.ReasonNotSocket, control.ReasonBadReply, control.ReasonFailed, control.ReasonIO:
	}
	return f
}
