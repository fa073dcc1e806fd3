package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"memvip/integration/bench/machine"
	"memvip/integration/bench/page"
	"memvip/integration/lab"
)

// The exit codes.
const (
	exitKept   = 0
	exitBroken = 1
	exitUsage  = 2
)

// section is what this command may write in BENCHMARKS.md, and how that begins.
const (
	section = "peers"
	heading = "## Faults, beside keepalived\n\n"
)

func main() {
	set, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, errHelp):
		os.Exit(exitKept)
	case err != nil:
		os.Exit(complain(err, exitUsage))
	case set.list:
		fmt.Print(catalogue(set))
		os.Exit(exitKept)
	case set.report != "":
		found, err := load(set.report)
		if err != nil {
			os.Exit(complain(err, exitUsage))
		}
		os.Exit(publish(set, found, nil))
	}
	if err := lab.Enter(); err != nil {
		os.Exit(complain(err, exitBroken))
	}
	os.Exit(measureAll(set))
}

func complain(err error, code int) int {
	fmt.Fprintln(os.Stderr, "bench:", err)
	return code
}

// measureAll runs the series and prints it. What was measured before an error or a signal is printed, too.
func measureAll(set settings) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	v, err := installed(ctx, set)
	if err != nil {
		return complain(err, exitBroken)
	}
	found, err := kept(set, begun(set, machine.Look(), v))
	if err != nil {
		return complain(err, exitUsage)
	}
	s := series{set: set, progress: os.Stderr, found: found}
	err = s.run(ctx)
	return publish(set, s.found, err)
}

// publish prints the results, and writes the page if they are whole.
func publish(set settings, found results, err error) int {
	fmt.Print(render(found))
	if err == nil && set.page != "" {
		err = page.Replace(set.page, section, heading+render(found))
	}
	if err != nil {
		return complain(err, exitBroken)
	}
	if len(found.broken()) > 0 {
		return exitBroken
	}
	return exitKept
}
