package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"memvip/agent/control"
	"memvip/agent/operate"
)

// outcomeTimeout is how long the outcome of a command is waited for unless --timeout says otherwise: a flush with its
// quiet takes some seconds, and hand-backs go one at a time.
const outcomeTimeout = 30 * time.Second

// outcomeExit is what the help of every command that changes something says of its exit codes.
const outcomeExit = "\n\nExit codes: 0 done, or done already; 1 refused, nothing was changed; 3 no agent answered; 4 not finished in time, or interrupted: it goes on."

// flushExit is what the help of flush says of its exit codes.
const flushExit = "\n\nExit codes: 0 done; 1 refused, nothing was changed; 3 no agent answered; 4 a memcached did not take flush_all, and the others are emptied; or not finished in time, or interrupted: it goes on."

// Status is operate.Agent's.
func (a *asked) Status(ctx context.Context, node string) (control.Report, error) {
	report, _, err := a.shortly().StatusOf(ctx, control.Request{Node: node})
	return report, err
}

// Ask is operate.Agent's.
func (a *asked) Ask(ctx context.Context, r control.Request, body any) error {
	return (&asked{a.shortly()}).ask(ctx, r, body)
}

// answerTimeout bounds one question of many.
const answerTimeout = 10 * time.Second

func (a *asked) shortly() control.Client {
	return control.Client{Path: a.client.Path, Timeout: min(a.client.Timeout, answerTimeout)}
}

// operation is a command that changes something.
type operation struct {
	use, short, long, example string

	exits string // what the help says of exit codes; "": outcomeExit

	args []argument
	do   func(ctx context.Context, s *operate.Session, args []string) error
	add  func(cmd *cobra.Command) // flags of its own; nil: none
	sure func(args []string) (question string, yes bool)
}

func (o operation) command() *cobra.Command {
	var agent asked
	cmd := &cobra.Command{
		Use: o.use, Short: o.short, Long: o.long + cmp.Or(o.exits, outcomeExit), Example: o.example, Args: argumentsOf(o.args),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := agent.check(); err != nil {
				return err
			}
			if o.sure != nil {
				if question, yes := o.sure(args); !yes {
					if err := confirm(cmd, question); err != nil {
						return err
					}
				}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), agent.client.Timeout)
			defer cancel()
			s := &operate.Session{Agent: &agent, Say: func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) }}
			if err := o.do(ctx, s, args); err != nil {
				return fmt.Errorf("%s: %w", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "), err)
			}
			return nil
		},
	}
	cmd.ValidArgsFunction = completionOf(&agent, o.args)
	agent.addFlags(cmd, outcomeTimeout)
	if o.add != nil {
		o.add(cmd)
	}
	return cmd
}

// confirm asks for a yes on the terminal. Without a terminal nobody could say it.
func confirm(cmd *cobra.Command, question string) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return usage("%s: nobody is here to be asked: --yes says that you are sure", cmd.Name())
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s [y/N] ", question)
	line, err := readLine(cmd.Context(), in)
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	return errors.Join(fmt.Errorf("%s: nothing was changed", cmd.Name()), err)
}

// readLine waits for a line, or for the end of ctx. What is read then is nobody's: the process is about to end.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(in).ReadString('\n')
		typed <- answer{line, err}
	}()
	select {
	case a := <-typed:
		return a.line, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func operations() []*cobra.Command {
	return []*cobra.Command{
		drainCommand(), undrainCommand(), moveCommand(), handbackCommand(), pauseCommand(), resumeCommand(), flushCommand(),
		drillCommand(), reloadCommand(), keysCommand(),
	}
}

func drainCommand() *cobra.Command {
	force := false
	return operation{
		use: "drain NODE", short: "Have a node give its addresses away and take none",
		long: `Have a node give its addresses away and take none, before work on its host. It stays so across restarts of
the agent, until agentctl undrain. Refuses where that would leave an address unserved, unless forced.`,
		example: "  agentctl drain cache1", args: []argument{nodeArgument},
		add: func(cmd *cobra.Command) {
			cmd.Flags().BoolVar(&force, "force", false, "even if addresses are not served then")
		},
		do: func(ctx context.Context, s *operate.Session, args []string) error {
			return s.Drain(ctx, args[0], force)
		},
	}.command()
}

func undrainCommand() *cobra.Command {
	return operation{
		use: "undrain NODE", short: "Let a drained node take addresses again",
		long:    "Let a drained node take addresses again. Its own come home as after any absence: once its memcached is proved clean.",
		example: "  agentctl undrain cache1", args: []argument{nodeArgument},
		do: func(ctx context.Context, s *operate.Session, args []string) error { return s.Undrain(ctx, args[0]) },
	}.command()
}

func moveCommand() *cobra.Command {
	return operation{
		use: "move VIP NODE", short: "Move an address to a node",
		long: `Move an address to a node whose memcached is proved to hold no old value of it. Away from a home that would
have it back by itself only while hand-backs are paused.`,
		example: "  agentctl pause\n  agentctl move 10.0.0.101 cache3", args: []argument{vipArgument, nodeArgument},
		do: func(ctx context.Context, s *operate.Session, args []string) error {
			return s.Move(ctx, args[0], args[1])
		},
	}.command()
}

func handbackCommand() *cobra.Command {
	return operation{
		use: "handback VIP", short: "Bring an address home now",
		long: `Bring an address home as soon as its home's memcached is proved clean, whatever failback, failback_delay, the
waiting after many losses, or a pause say.`,
		example: "  agentctl handback 10.0.0.101", args: []argument{vipArgument},
		do: func(ctx context.Context, s *operate.Session, args []string) error { return s.Handback(ctx, args[0]) },
	}.command()
}

func pauseCommand() *cobra.Command {
	return operation{
		use: "pause", short: "Keep addresses from going home by themselves",
		long:    "Keep the addresses of the whole cluster from going home by themselves. Failovers go on. Status shows it.",
		example: "  agentctl pause",
		do:      func(ctx context.Context, s *operate.Session, _ []string) error { return s.Pause(ctx, true) },
	}.command()
}

func resumeCommand() *cobra.Command {
	return operation{
		use: "resume", short: "Let addresses go home by themselves again",
		long: "End what agentctl pause began, in the whole cluster.", example: "  agentctl resume",
		do: func(ctx context.Context, s *operate.Session, _ []string) error { return s.Pause(ctx, false) },
	}.command()
}

func flushCommand() *cobra.Command {
	yes := false
	return operation{
		use: "flush NODE", short: "Empty a node's memcached",
		long: `Empty every memcached of a node: one that serves addresses at once and without proof, so that what was stored before
is gone, but newer versions keep an item that was being read just then; any other with proof, once it is quiet.`,
		example: "  agentctl flush cache1 --yes", args: []argument{nodeArgument}, exits: flushExit,
		add: func(cmd *cobra.Command) {
			cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask whether you are sure")
		},
		sure: func(args []string) (string, bool) {
			return fmt.Sprintf("Empty memcached on %s? Its clients will miss until it is warm again.", args[0]), yes
		},
		do: func(ctx context.Context, s *operate.Session, args []string) error { return s.Flush(ctx, args[0]) },
	}.command()
}

func drillCommand() *cobra.Command {
	yes, clientPort := false, 0
	return operation{
		use: "drill VIP", short: "Fail an address over and bring it home, and say what that cost",
		long: `Fail an address over to another node and bring it home, in a cluster that is well, and say how long clients got
no answer. The home's cache of the address is lost by that.`,
		example: "  agentctl drill 10.0.0.101 --yes", args: []argument{vipArgument},
		add: func(cmd *cobra.Command) {
			cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask whether you are sure")
			cmd.Flags().IntVar(&clientPort, "port", 0, "where clients find memcached on the address; unless given, the instance's `PORT`")
		},
		sure: func(args []string) (string, bool) {
			return fmt.Sprintf("Fail %s over and bring it home? Its cache starts cold.", args[0]), yes
		},
		do: func(ctx context.Context, s *operate.Session, args []string) error {
			r, err := s.Agent.Status(ctx, "")
			if err != nil {
				return err
			}
			return s.Drill(ctx, args[0], &operate.Client{Address: net.JoinHostPort(args[0], portOf(r, args[0], clientPort))})
		},
	}.command()
}

// portOf is where clients find memcached on a VIP.
func portOf(r control.Report, address string, given int) string {
	if given != 0 {
		return fmt.Sprint(given)
	}
	for _, v := range r.VIPs {
		if _, port, err := net.SplitHostPort(v.Instance); err == nil && v.Address == address {
			return port
		}
	}
	return "11211"
}

func reloadCommand() *cobra.Command {
	return operation{
		use: "reload [NODE]", short: "Have an agent read its configuration again",
		long: `Have an agent, that of this host unless a node is named, read its configuration again, without an address moving.
A file that will not do changes nothing. Agents read their own host's file: put it everywhere first.`,
		example: "  agentctl check /etc/memvip/agent.toml && agentctl reload", args: []argument{optionalNode},
		do: func(ctx context.Context, s *operate.Session, args []string) error {
			return s.Reload(ctx, cmp.Or(append(args, "")...))
		},
	}.command()
}
