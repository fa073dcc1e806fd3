package operate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"memvip/agent/control"
	"memvip/agent/layout"
)

// KeysShown is KeySurvey as JSON has it: `agentctl keys --json`.
type KeysShown struct {
	Schema  int                `json:"schema"`
	Node    string             `json:"node"` // that was asked
	Nodes   []control.NodeKeys `json:"nodes"`
	Missing map[string]string  `json:"missing"` // why, by node
	Faults  []KeyFaultShown    `json:"faults"`
}

// KeyFaultShown is a control.KeyFault.
type KeyFaultShown struct {
	Severity control.Severity `json:"severity"`
	Text     string           `json:"text"`
	Hint     string           `json:"hint"`
	Nodes    []string         `json:"nodes"`
}

// keysSchema is the version of KeysShown. Within one, fields are only added.
const keysSchema = 1

// Shown is the survey for programs.
func (k KeySurvey) Shown() KeysShown {
	out := KeysShown{Schema: keysSchema, Node: k.Asked, Nodes: append([]control.NodeKeys{}, k.Nodes...), Missing: k.Missing, Faults: []KeyFaultShown{}}
	for _, f := range control.KeyFaults(k.Nodes) {
		out.Faults = append(out.Faults, KeyFaultShown{f.Severity, f.Text, f.Hint, f.Nodes})
	}
	return out
}

// Well reports whether every node answered, and nothing more than a note is to be said.
func (k KeySurvey) Well() bool {
	return len(k.Missing) == 0 && !slices.ContainsFunc(control.KeyFaults(k.Nodes), func(f control.KeyFault) bool { return f.Severity != control.SeverityNote })
}

// Write lays the survey out for people.
func (k KeySurvey) Write(out io.Writer, width int) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSEALS WITH\tOPENS TOO\tKEY FILE")
	for _, n := range k.Nodes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", n.Node, n.Seals(), orDash(strings.Join(n.InUse()[min(1, len(n.Keys)):], " ")), fileWords(n))
	}
	for _, node := range slices.Sorted(maps.Keys(k.Missing)) {
		fmt.Fprintf(w, "%s\t?\t?\tno answer\n", layout.Printable(node))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var said []string
	for _, node := range slices.Sorted(maps.Keys(k.Missing)) {
		said = append(said, layout.Wrap("! "+node+": "+k.Missing[node], width, 2)...)
	}
	for _, f := range control.KeyFaults(k.Nodes) {
		mark := "! "
		if f.Severity == control.SeverityNote {
			mark = "- "
		}
		said = append(said, layout.Wrap(mark+f.Text, width, 2)...)
		for _, line := range layout.Wrap("hint: "+f.Hint, width-2, 2) {
			said = append(said, "  "+line)
		}
	}
	if len(said) > 0 {
		said = append([]string{""}, said...)
	}
	for _, line := range said {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// fileWords says of a key file what the columns before do not.
func fileWords(n control.NodeKeys) string {
	switch {
	case n.FileTrouble != "":
		return "will not do"
	case !n.UpToDate():
		return strings.Join(n.File, " ")
	}
	return "the same"
}
