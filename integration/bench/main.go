package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"memvip/integration/lab"
)

// The exit codes.
const (
	exitKept   = 0
	exitBroken = 1
	exitUsage  = 2
)

func main() {
	set, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, errHelp):
		os.Exit(exitKept)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(exitUsage)
	case set.list:
		fmt.Print(catalogue(set))
		os.Exit(exitKept)
	}
	if err := lab.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(exitBroken)
	}
	os.Exit(measureAll(set))
}

// measureAll runs the series and prints it. What was measured before an error or a signal is printed, too.
func measureAll(set settings) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := series{set: set, progress: os.Stderr, machine: lookAround()}
	err := s.run(ctx)
	res := s.result()
	fmt.Print(render(res))
	if err == nil && set.jsonPath != "" {
		err = writeJSON(set.jsonPath, res)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || len(res.broken()) > 0 {
		return exitBroken
	}
	return exitKept
}
