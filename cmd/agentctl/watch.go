package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"memvip/agent/control"
)

// watchEvery is how often a watched status is asked for.
const watchEvery = time.Second

// What a terminal does without flicker: every line is written over the one before and cleared behind its end.
const (
	cursorHome = "\x1b[H"
	clearBelow = "\x1b[J"
	clearRest  = "\x1b[K"
)

// watch shows the status until it is interrupted. Without a terminal the reports follow each other. An agent that does
// not answer is said, and asked again.
func watch(cmd *cobra.Command, agent *asked) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := watchOnce(cmd, agent); err != nil {
			return fmt.Errorf("status: %w", err)
		}
		select {
		case <-tick.C:
		case <-cmd.Context().Done():
			return nil
		}
	}
}

func watchOnce(cmd *cobra.Command, agent *asked) error {
	width, color := screen(cmd.OutOrStdout())
	var page bytes.Buffer
	report, _, err := agent.client.StatusOf(cmd.Context(), control.Request{Views: true})
	switch {
	case cmd.Context().Err() != nil:
		return nil
	case err != nil:
		fmt.Fprintf(&page, "%s: no status: %v\n", time.Now().Format(time.RFC3339), err)
	default:
		if err := control.Render(&page, report, width, color); err != nil {
			return err
		}
	}
	return paint(cmd.OutOrStdout(), page.String(), isTerminal(cmd.OutOrStdout()))
}

// paint puts a page where the last one was, or after it.
func paint(out io.Writer, page string, over bool) error {
	if over {
		page = cursorHome + strings.ReplaceAll(page, "\n", clearRest+"\n") + clearBelow
	} else {
		page += "\n"
	}
	_, err := io.WriteString(out, page)
	return err
}
