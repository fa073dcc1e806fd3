package main

import (
	"fmt"
	"io"
	"strings"

	"memvip/agent/control"
)

// nagiosLine is a report in the one line that Nagios and its kin show, with the figures behind the bar. The exit codes
// of status are theirs.
func nagiosLine(r control.Report) string {
	word := map[control.Verdict]string{control.AllWell: "OK", control.Degraded: "WARNING", control.Unserved: "CRITICAL"}[r.Verdict]
	text := r.VerdictText
	for _, p := range r.Problems {
		if p.Severity != control.SeverityNote {
			text += ": " + p.Text
			break
		}
	}
	served, home := 0, 0
	for _, v := range r.VIPs {
		if v.Served {
			served++
		}
		if v.AtHome {
			home++
		}
	}
	return fmt.Sprintf("MEMVIP %s - %s | vips=%d served=%d home=%d voters=%d;;%d: problems=%d",
		word, onOneLine(text), len(r.VIPs), served, home, r.Quorum.Answering, r.Quorum.Needed, len(r.Problems))
}

// unknownLine is the line where no agent answered.
func unknownLine(out io.Writer, err error) error {
	if _, err := fmt.Fprintln(out, "MEMVIP UNKNOWN - "+onOneLine(err.Error())); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return &exitError{exitNoAgent}
}

// onOneLine keeps a text from ending the line or its first half.
func onOneLine(text string) string { return strings.NewReplacer("\n", " ", "|", "/").Replace(text) }
