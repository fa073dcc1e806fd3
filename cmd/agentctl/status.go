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
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where every address is, how every node is, and what is wrong",
		Long: `Show where every address is, how every node is, and what is wrong, as the agent of this host knows it.

Exit codes: 0 all well, 1 degraded, 2 an address is not served, 3 no agent answered.`,
		Example: "  agentctl status\n  agentctl status --json | jq '.problems[].text'",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := agent.check(); err != nil {
				return err
			}
			report, raw, err := agent.client.StatusOf(cmd.Context(), control.Request{Views: true})
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			return show(cmd.OutOrStdout(), report, raw, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON (schema 1)")
	agent.addFlags(cmd, timeoutDefault)
	return cmd
}

// show writes the report. In JSON it is all that the agent said, known to this program or not.
func show(out io.Writer, report control.Report, raw json.RawMessage, asJSON bool) error {
	var err error
	if asJSON {
		var b bytes.Buffer
		if err = json.Indent(&b, raw, "", "  "); err == nil {
			_, err = fmt.Fprintln(out, b.String())
		}
	} else {
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
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return control.Width, false
	}
	color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return control.Width, color
	}
	return width, color
}
