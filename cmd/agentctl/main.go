// Command agentctl tells how a memvip cluster is, and prepares what it runs on. All that is here is
// wiring: the command line, the words at the edge and the exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if told, ok := errors.AsType[toldError](err); ok {
		return told.exitCode() // the output has said it all
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "agentctl: %v\n", err)
	code, hint := explain(err)
	if hint != "" {
		fmt.Fprintf(stderr, "agentctl: hint: %s\n", hint)
	}
	return code
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "agentctl",
		Short: "See how a memvip cluster is, and prepare what it runs on",
		Args:  noSuchCommand, SilenceErrors: true, SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error { return usage("a command is missing") },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(statusCommand(), explainCommand(), historyCommand(), doctorCommand(), checkCommand(), keygenCommand(), versionCommand())
	root.AddCommand(operations()...)
	root.AddCommand(manCommand(root))
	return root
}

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// noSuchCommand refuses what is no command, and names the one that was probably meant.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usage("unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usage("unknown command %q", args[0])
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("unexpected argument %q", args[0])
	}
	return nil
}
