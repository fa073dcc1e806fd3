package main

import (
	"time"

	"github.com/spf13/cobra"

	"memvip/agent/control"
)

// argument is one argument of a command, and what could stand in its place.
type argument struct {
	what     string // for messages
	optional bool
	known    func(control.Report) []string
}

var (
	nodeArgument = argument{what: "a node", known: nodesOf}
	optionalNode = argument{what: "a node", known: nodesOf, optional: true}
	vipArgument  = argument{what: "an address", known: vipsOf}

	subjectArgument = argument{what: "an address or a node", known: func(r control.Report) []string { return append(vipsOf(r), nodesOf(r)...) }}
)

func nodesOf(r control.Report) []string {
	var names []string
	for _, n := range r.Nodes {
		names = append(names, n.Name)
	}
	return names
}

func vipsOf(r control.Report) []string {
	var names []string
	for _, v := range r.VIPs {
		names = append(names, v.Address)
	}
	return names
}

// argumentsOf demands one argument of each kind, in their order.
func argumentsOf(kinds []argument) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > len(kinds):
			return usage("%s: unexpected argument %q", cmd.Name(), args[len(kinds)])
		case len(args) < len(kinds) && !kinds[len(args)].optional:
			return usage("%s: expected %s", cmd.Name(), kinds[len(args)].what)
		}
		return nil
	}
}

// completionTimeout is how long a shell waits for names.
const completionTimeout = 500 * time.Millisecond

// completionOf offers the names that the agent knows. Without an agent it offers nothing.
func completionOf(agent *asked, kinds []argument) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(kinds) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		client := control.Client{Path: agent.client.Path, Timeout: completionTimeout}
		report, _, err := client.Status(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return kinds[len(args)].known(report), cobra.ShellCompDirectiveNoFileComp
	}
}
