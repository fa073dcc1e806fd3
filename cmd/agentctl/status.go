package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"memvip/agent/control"
)

func statusCommand() *cobra.Command {
	var agent asked
	var how shown
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where every address is, how every node is, and what is wrong",
		Long: `Show where every address is, how every node is, and what is wrong, as the agent of this host knows it. SEEN says how
many nodes get an answer for the address from its holder and nobody else, of the five that asked and the holder.

Exit codes: 0 all well, 1 degraded, 2 an address is not served, 3 no agent answered.`,
		Example: "  agentctl status\n  agentctl status --watch\n  agentctl status --json | jq '.problems[].text'",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := agent.check(); err != nil {
				return err
			}
			if how.json && how.nagios || how.watch && (how.json || how.nagios) {
				return usage("--json, --nagios and --watch exclude each other")
			}
			if how.watch {
				return watch(cmd, &agent)
			}
			report, raw, err := agent.client.StatusOf(cmd.Context(), control.Request{Views: true})
			if err != nil && how.nagios {
				return unknownLine(cmd.OutOrStdout(), err)
			}
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			return how.write(cmd.OutOrStdout(), report, raw)
		},
	}
	cmd.Flags().BoolVar(&how.json, "json", false, "print the report as JSON (schema 1)")
	cmd.Flags().BoolVar(&how.nagios, "nagios", false, "print one line, as Nagios and its kin want it")
	cmd.Flags().BoolVarP(&how.watch, "watch", "w", false, "show it anew every second until interrupted")
	agent.addFlags(cmd, timeoutDefault)
	return cmd
}

// shown is how a report is to be shown.
type shown struct{ json, nagios, watch bool }

// write writes the report. In JSON it is all that the agent said, known to this program or not.
func (s shown) write(out io.Writer, report control.Report, raw json.RawMessage) error {
	var err error
	switch {
	case s.json:
		var b bytes.Buffer
		if err = json.Indent(&b, raw, "", "  "); err == nil {
			_, err = fmt.Fprintln(out, b.String())
		}
	case s.nagios:
		_, err = fmt.Fprintln(out, nagiosLine(report))
	default:
		width, color := screen(out)
		err = control.Render(out, report, width, color)
	}
	if err != nil {
		return fmt.Errorf("status: write the report: %w", err)
	}
	if report.Verdict != control.AllWell {
		return &verdictError{report.Verdict}
	}
	return nil
}

// screen returns the width of the terminal and whether to use colour: never without a terminal, and
// not where the user asks for none (no-color.org).
func screen(out io.Writer) (width int, color bool) {
	if !isTerminal(out) {
		return control.Width, false
	}
	color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	width, _, err := term.GetSize(int(out.(*os.File).Fd()))
	if err != nil || width <= 0 {
		return control.Width, color
	}
	return width, color
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
