package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"memvip/agent"
	"memvip/agent/control"
	"memvip/agent/hooks"
	"memvip/configs"
)

func checkCommand() *cobra.Command {
	node := ""
	var running asked
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration as an agent would read it",
		Long: `Check a configuration, and the key file that it names, as an agent would read them: every mistake with its
line, or else what it promises. Hooks whose programs cannot be run on this host are a warning: other hosts may have them;
and so is a key file that you may not read, where root can see whether it will do. With --node also whether this host
could be that node: whether the name is in the file, and whether interfaces have the node's own address and fit every
address that it may hold. Where an agent runs here, also what a reload of this file would change, beside the key.

Exit codes: 0 it will do, 1 it will not.`,
		Example: "  agentctl check /etc/memvip/agent.toml\n  agentctl check --node cache1 /etc/memvip/agent.toml",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("node") && node == "" {
				return usage("--node: expected a name")
			}
			config, denied, err := configs.LoadUnkeyed(args[0])
			if err == nil && node != "" {
				err = agent.CheckNode(config, node)
			}
			if err != nil {
				return refuse(cmd.ErrOrStderr(), args[0], err)
			}
			if err := summarize(cmd.OutOrStdout(), config, node, hooks.Runnable); err != nil {
				return err
			}
			if denied != nil {
				const advice = "the key was not looked at: run it as root"
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "warning: %s:%d: %s: %s: %s\n", denied.File, denied.Line, denied.Key, denied.Found, advice); err != nil {
					return fmt.Errorf("check: %w", err)
				}
			}
			var now control.RunningConfig
			if running.check() != nil || running.ask(cmd.Context(), control.Request{Command: control.CommandConfig}, &now) != nil {
				return nil // no agent, nothing to compare with
			}
			return changes(cmd.OutOrStdout(), now.Lines, config.Lines())
		},
	}
	running.addFlags(cmd, time.Second)
	cmd.Flags().StringVar(&node, "node", "", "check also that this host can be the node `NAME`")
	return cmd
}

// changes says what a reload would change.
func changes(out io.Writer, from, to []string) error {
	said := []string{"a reload would change nothing for the agent that runs here"}
	missing := func(mark string, in, of []string) (list []string) {
		for _, line := range of {
			if !slices.Contains(in, line) {
				list = append(list, "  "+mark+" "+line)
			}
		}
		return list
	}
	if changed := append(missing("-", to, from), missing("+", from, to)...); len(changed) > 0 {
		said = append([]string{"a reload would change for the agent that runs here:"}, changed...)
	}
	if _, err := fmt.Fprintln(out, strings.Join(said, "\n")); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

func oneFile(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage("check: expected a file")
	case 1:
		return nil
	}
	return usage("check: expected one file, got %d arguments", len(args))
}

// refuse writes every mistake on a line of its own.
func refuse(out io.Writer, file string, err error) error {
	mistakes := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		mistakes = joined.Unwrap()
	}
	for _, m := range mistakes {
		if _, err := fmt.Fprintln(out, m); err != nil {
			return fmt.Errorf("check: %w", err)
		}
	}
	return fmt.Errorf("check: %s will not do: %s", file, count(len(mistakes), "mistake"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
