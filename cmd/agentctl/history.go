package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"memvip/agent/control"
	"memvip/agent/history"
)

// historyLimit entries are shown where nobody says how many: some screens full.
const historyLimit = 100

// historyOptions are the flags of history.
type historyOptions struct {
	agent  asked
	since  string
	wanted history.Filter
	asJSON bool
}

func historyCommand() *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show what every node remembers of what happened, in one order",
		Long: `Show what every node remembers of what happened, in one order: what became of each address and why, what
memcached did, what operators asked for, and when agents started and stopped. Every node that is configured is asked; one
that does not answer is named on standard error.

Times are by each node's own clock. Where clocks differ, the order of one address's holders is right all the same.

Exit codes: 0 a node answered, 3 none did.`,
		Example: "  agentctl history --since 1h\n  agentctl history --vip 10.0.0.101 --limit 20\n  agentctl history --json | jq '.entries[]'",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd, time.Now()); err != nil {
				return err
			}
			ctx, stop := o.agent.within(cmd.Context())
			defer stop()
			t, err := o.gather(ctx)
			if err != nil {
				return err
			}
			return o.show(cmd.OutOrStdout(), cmd.ErrOrStderr(), t)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "only what happened since `WHEN`: a duration before now, or RFC 3339")
	f.StringVar(&o.wanted.VIP, "vip", "", "only what happened to the address `VIP`")
	f.StringVar(&o.wanted.Node, "node", "", "only what happened on the node `NODE`")
	f.IntVar(&o.wanted.Limit, "limit", historyLimit, "only the newest `N`; 0 for all that the nodes tell at once")
	f.BoolVar(&o.asJSON, "json", false, "print the entries as JSON (schema 1)")
	o.agent.addFlags(cmd, timeoutDefault)
	return cmd
}

func (o *historyOptions) check(cmd *cobra.Command, now time.Time) (err error) {
	if err := o.agent.check(); err != nil {
		return err
	}
	if o.wanted.Limit < 0 {
		return usage("--limit %d: expected 0 or more", o.wanted.Limit)
	}
	for flag, value := range map[string]string{"vip": o.wanted.VIP, "node": o.wanted.Node} {
		if cmd.Flags().Changed(flag) && value == "" {
			return usage("--%s: expected a name", flag)
		}
	}
	if cmd.Flags().Changed("since") {
		if o.wanted.Since, err = history.Since(o.since, now); err != nil {
			return usage("--since %w", err)
		}
	}
	return nil
}

// gather asks the nodes that may know of what is wanted.
func (o *historyOptions) gather(ctx context.Context) (history.Timeline, error) {
	report, _, err := o.agent.client.Status(ctx)
	if err != nil {
		return history.Timeline{}, fmt.Errorf("history: %w", err)
	}
	nodes := report.NodeNames()
	if o.wanted.Node != "" {
		nodes = []string{o.wanted.Node}
		if err := knownNodes(report, "--node", nodes...); err != nil {
			return history.Timeline{}, err
		}
	}
	if o.wanted.VIP != "" {
		v, err := knownVIP(report, "--vip", o.wanted.VIP)
		if err != nil {
			return history.Timeline{}, err
		}
		o.wanted.VIP = v.Address
	}
	answers, unreached := askEach[[]history.Entry](ctx, o.agent, nodes, control.Request{Command: control.CommandHistory, History: o.wanted})
	t := history.Gather(answers, unreached, o.wanted)
	if len(answers) > 0 {
		return t, nil
	}
	return t, fmt.Errorf("history: %w", o.agent.nobody(unreached))
}

func (o *historyOptions) show(out, errOut io.Writer, t history.Timeline) error {
	for _, node := range slices.Sorted(maps.Keys(t.Unreached)) {
		if _, err := fmt.Fprintf(errOut, "agentctl: history: %s is missing: %s\n", node, t.Unreached[node]); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	if err := o.write(out, t); err != nil {
		return fmt.Errorf("history: write the entries: %w", err)
	}
	return nil
}

func (o *historyOptions) write(out io.Writer, t history.Timeline) error {
	if o.asJSON {
		return writeJSON(out, t)
	}
	if len(t.Entries) == 0 {
		_, err := fmt.Fprintln(out, "nothing is remembered that fits")
		return err
	}
	width, color := screen(out)
	return history.Render(out, t.Entries, width, color)
}

// writeJSON writes a document for programs.
func writeJSON(out io.Writer, document any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document)
}
