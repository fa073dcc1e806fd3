// Command memvip-agent runs one node of a memvip cluster. All it does itself is wiring: the command
// line, the signals, the log and the exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"memvip/agent"
	commands "memvip/flush/command"
)

func main() {
	commands.Become()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	cmd := command(stderr)
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.Execute()
	code, hint := agent.ExitCode(err)
	if err != nil {
		agent.Complain(stderr, fmt.Sprintf("memvip-agent: %v", err))
	}
	if hint != "" {
		agent.Complain(stderr, "memvip-agent: hint: "+hint)
	}
	return code
}

func command(stderr io.Writer) *cobra.Command {
	var o agent.Options
	var netns string
	root := &cobra.Command{
		Use:   "memvip-agent",
		Short: "Run one node of a memvip cluster until it is told to stop",
		Args:  noArguments, SilenceErrors: true, SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			return inNamespace(netns, &o, stderr, func() error { return serve(o) })
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &agent.UsageError{Err: err} })
	root.CompletionOptions.DisableDefaultCmd = true
	check := &cobra.Command{
		Use: "check", Short: "Say whether this program could go on where the agent on this host stands", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			return inNamespace(netns, &o, stderr, func() error { return agent.Check(o) })
		},
	}
	for _, c := range []*cobra.Command{root, check} {
		c.Flags().StringVar(&o.ConfigPath, "config", "/etc/memvip/agent.toml", "the cluster's configuration `FILE`")
		c.Flags().StringVar(&o.Node, "node", "", "this node's `NAME` in it (default the host's name)")
	}
	root.PersistentFlags().StringVar(&o.RuntimeDir, "runtime-dir", "/run/memvip", "`DIR` of state file, lock and control socket")
	root.PersistentFlags().StringVar(&netns, "netns", "", "work in the network namespace of that `NAME`")
	root.AddCommand(check, &cobra.Command{
		Use: "cleanup", Short: "Remove the addresses that a dead agent left up", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			return inNamespace(netns, &o, stderr, func() error { return agent.Cleanup(o.RuntimeDir, o.Log) })
		},
	}, &cobra.Command{
		Use: "version", Short: "Say which build this is", Args: noArguments,
		Run: func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "memvip-agent", agent.Version()) },
	})
	return root
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &agent.UsageError{Err: fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

// inNamespace enters the network namespace, if one was named, and does the work with a log.
func inNamespace(netns string, o *agent.Options, stderr io.Writer, work func() error) (err error) {
	if netns != "" {
		if o.Connector, err = agent.EnterNetns(netns); err != nil {
			return err
		}
	}
	log, closing := agent.NewLogger(stderr)
	o.Log, o.Output, o.Entered = log, closing, netns != ""
	return errors.Join(work(), closing.Close())
}

// serve runs the node. The first SIGTERM or SIGINT stops it, the second hurries it; SIGUSR2 exchanges its program, and
// SIGHUP its configuration.
func serve(o agent.Options) (err error) {
	if o.Program, err = agent.ThisProgram(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	o.Signals = signals
	return agent.Run(context.Background(), o)
}
