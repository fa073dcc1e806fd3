package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"memvip/agent/control"
	"memvip/agent/history"
	"memvip/agent/trace"
)

// explainHistory is how many entries of the past an explanation has.
const explainHistory = 6

func explainCommand() *cobra.Command {
	var agent asked
	asJSON := false
	cmd := &cobra.Command{
		Use:   "explain VIP|NODE",
		Short: "Say why an address is where it is, or what a node may take and why not",
		Long: `Say why an address is where it is: who holds it and by which lease, what each node would have to do with it, what its
hand-back waits for, who sees it where, what happened last and what each step of it took, and how long the next failover
may take. Or of a node: what it holds, what it may take and why not, who hears it, and what it runs.

The holder and the other nodes are asked for their own word; that of one which does not answer is named as missing.

Exit codes: 0 it is explained, 3 no agent answered.`,
		Example: "  agentctl explain 10.0.0.101\n  agentctl explain cache1\n  agentctl explain 10.0.0.101 --json",
		Args:    oneSubject,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := agent.check(); err != nil {
				return err
			}
			ctx, stop := agent.within(cmd.Context())
			defer stop()
			e, err := explainSubject(ctx, agent, args[0])
			if err != nil {
				return err
			}
			return showExplanation(cmd.OutOrStdout(), e, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the parts as JSON (schema 1)")
	agent.addFlags(cmd, timeoutDefault)
	cmd.ValidArgsFunction = completionOf(&agent, []argument{subjectArgument})
	return cmd
}

func oneSubject(_ *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usage("explain: expected one VIP or one node, got %d arguments", len(args))
	}
	return nil
}

// explainSubject finds out what is meant, and asks whoever knows of it.
func explainSubject(ctx context.Context, agent asked, name string) (control.Explanation, error) {
	report, _, err := agent.client.StatusOf(ctx, control.Request{Views: true})
	if err != nil {
		return control.Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if v, ok := report.FindVIP(name); ok {
		var asks []string
		if v.Holder != "" {
			asks = []string{v.Holder}
		}
		a := askAround(ctx, agent, report, asks, history.Filter{VIP: v.Address})
		e := a.with(control.ExplainVIP(report, v, a.reports, a.unreached))
		e.VIP.Change = trace.Assemble(a.journals, v.Holder)
		return e, nil
	}
	if n, ok := report.FindNode(name); ok {
		a := askAround(ctx, agent, report, report.NodeNames(), history.Filter{Node: n.Name})
		return a.with(control.ExplainNode(report, n, a.reports, a.unreached)), nil
	}
	return control.Explanation{}, usage("explain: neither a VIP nor a node is %q; the VIPs are %s; the nodes are %s",
		name, named(report.VIPNames()), named(report.NodeNames()))
}

// around is what the nodes answered, and why some did not.
type around struct {
	reports   map[string]control.Report
	past      []history.Entry
	journals  []trace.Journal // of a VIP's changes of hands
	unreached map[string]string
}

// askAround asks some nodes for their reports, and those whose word the filter lets through for what they remember. Nodes
// that are silent are not waited for.
func askAround(ctx context.Context, agent asked, r control.Report, reporting []string, wanted history.Filter) around {
	wanted.Limit = explainHistory
	remembering := r.NodeNames()
	if wanted.Node != "" {
		remembering = []string{wanted.Node}
	}
	a := around{unreached: map[string]string{}}
	loud := func(nodes []string) []string {
		return slices.DeleteFunc(slices.Clone(nodes), func(name string) bool {
			n, _ := r.FindNode(name)
			if n.Silent {
				a.unreached[name] = silence(n)
			}
			return n.Silent
		})
	}
	reporting = slices.DeleteFunc(loud(reporting), func(name string) bool { return name == r.Node })
	remembering = loud(remembering)
	var noReport, noHistory map[string]string
	var past map[string][]history.Entry
	atOnce(func() {
		a.reports, noReport = askEach[control.Report](ctx, agent, reporting, control.Request{Command: control.CommandStatus})
	}, func() {
		past, noHistory = askEach[[]history.Entry](ctx, agent, remembering, control.Request{Command: control.CommandHistory, History: wanted})
	}, func() {
		if wanted.VIP != "" {
			a.journals = askJournals(ctx, agent, remembering, wanted.VIP)
		}
	})
	a.past = history.Gather(past, nil, wanted).Entries
	for _, missing := range []map[string]string{noHistory, noReport} {
		for node, why := range missing {
			a.unreached[node] = why
		}
	}
	return a
}

// askJournals asks nodes what they remember of a VIP's changes of hands, in the order of their names. That one does not
// answer is said of its history already, and an older agent has none.
func askJournals(ctx context.Context, agent asked, nodes []string, vip string) []trace.Journal {
	told, _ := askEach[trace.Journal](ctx, agent, nodes, control.Request{Command: control.CommandTrace, VIP: vip})
	var journals []trace.Journal
	for _, node := range slices.Sorted(maps.Keys(told)) {
		journals = append(journals, told[node])
	}
	return journals
}

// with adds what is remembered.
func (a around) with(e control.Explanation) control.Explanation {
	e.History = append(e.History, a.past...)
	return e
}

func silence(n control.Node) string {
	if !n.Heard {
		return "it has never been heard, and was not asked"
	}
	return fmt.Sprintf("it has not been heard for %s, and was not asked", (time.Duration(n.HeardAge) * time.Millisecond).Round(time.Second/10))
}

func showExplanation(out io.Writer, e control.Explanation, asJSON bool) error {
	var err error
	if asJSON {
		err = writeJSON(out, e)
	} else {
		width, color := screen(out)
		err = control.RenderExplanation(out, e, width, color)
	}
	if err != nil {
		return fmt.Errorf("explain: write it: %w", err)
	}
	return nil
}
