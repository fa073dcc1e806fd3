package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"memvip/integration/bench/keep"
	"memvip/integration/bench/page"
	"memvip/integration/lab"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// section is the report's place in BENCHMARKS.md.
const section = "size"

func main() {
	set, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, errHelp):
		os.Exit(exitDone)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench-size:", err)
		os.Exit(exitUsage)
	}
	if !set.report && len(set.real) > 0 {
		err = lab.Enter()
	}
	if err == nil {
		err = run(set, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-size:", err)
		os.Exit(exitFailed)
	}
}

// run measures, unless it shall not, and reports what there is, also when it was stopped.
func run(set settings, out, progress io.Writer) error {
	var err error
	load := keep.Report
	if !set.report {
		load = keep.Load
		err = measure(context.Background(), set, progress)
	}
	var r record
	if e := load(set.data, &r); e != nil {
		return errors.Join(err, e)
	}
	text := render(r)
	fmt.Fprint(out, text)
	if err == nil && set.page != "" {
		err = page.Replace(set.page, section, text)
	}
	return err
}
