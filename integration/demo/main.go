package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"memvip/integration/lab"
)

// binVar names the folder of memvip-agent and agentctl.
const (
	binVar     = "MEMVIP_BIN"
	binDefault = "bin"
)

const usageText = `usage: demo

Shows a failover and a hand-back on three hosts in network namespaces. It needs memcached, and root or the
right to make user namespaces (which %s=1 asks for even as root).
%s names the folder of memvip-agent and agentctl; %s/ if it is not set.
`

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, usageText, lab.RootlessVar, binVar, binDefault)
		os.Exit(64)
	}
	options, err := programs()
	if err == nil {
		err = lab.Enter()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	os.Exit(play(options))
}

// programs finds what is shown.
func programs() (lab.Options, error) {
	dir := os.Getenv(binVar)
	if dir == "" {
		dir = binDefault
	}
	dir, err := filepath.Abs(dir) // the lab runs them in folders of its own
	if err != nil {
		return lab.Options{}, err
	}
	o := lab.Options{Agent: filepath.Join(dir, "memvip-agent"), AgentCtl: filepath.Join(dir, "agentctl")}
	for _, path := range []string{o.Agent, o.AgentCtl} {
		if _, err := os.Stat(path); err != nil {
			return o, fmt.Errorf("%w (to build it: make build; %s names the folder)", err, binVar)
		}
	}
	return o, nil
}

// play runs the demo from the building of the lab to its removal, and returns the exit code.
func play(o lab.Options) int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	out := newPrinter(os.Stdout)
	l, err := lab.New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	rows, err := perform(ctx, &stage{Lab: l, out: out}, story)
	code := conclude(ctx, out, l, rows, err)
	if err := errors.Join(l.Close(), out.err); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		code = max(code, 1)
	}
	if interrupt := interruption(ctx); interrupt != nil {
		code = interrupt.exitCode() // also for a signal after the verdict
	}
	return code
}

// perform plays the steps up to the first that does not come about, and returns what they came to.
func perform(ctx context.Context, s *stage, steps []step) ([]row, error) {
	s.out.introduction(s.Lab)
	s.began = lab.Now()
	var rows []row
	for i, p := range steps {
		if ctx.Err() != nil {
			return rows, ctx.Err()
		}
		s.out.heading(i+1, p.title)
		r, err := p.play(ctx, s)
		r.step = p.name
		s.close(&r)
		rows = append(rows, r)
		if err != nil {
			return rows, fmt.Errorf("step %d, %s: %w", i+1, p.name, err)
		}
	}
	return rows, nil
}

// conclude says what it came to, while the lab's logs are still there, and returns the exit code.
func conclude(ctx context.Context, out *printer, l *lab.Lab, rows []row, err error) int {
	if interrupt := interruption(ctx); interrupt != nil {
		out.line("")
		out.say("%v: ending and removing everything", interrupt)
		return interrupt.exitCode()
	}
	broken := judge(rows, err)
	out.finale(rows, broken)
	if len(broken) == 0 {
		return 0
	}
	fmt.Fprintf(os.Stderr, "\nWhat the programs wrote:\n%s", l.Logs())
	return 1
}
