package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"memvip/integration/lab"
)

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
	s := &stage{Lab: l, out: out}
	rows, err := perform(ctx, s, story)
	code := conclude(ctx, s, rows, err)
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
func conclude(ctx context.Context, s *stage, rows []row, err error) int {
	if interrupt := interruption(ctx); interrupt != nil {
		s.out.gap()
		s.out.say("%v: ending and removing everything", interrupt)
		return interrupt.exitCode()
	}
	broken := judge(rows, err)
	s.out.finale(rows, s.held(), broken)
	if len(broken) == 0 {
		return 0
	}
	for _, h := range s.Hosts {
		fmt.Fprintf(os.Stderr, "\nlog of the agent on %s:\n%s", h.Name, h.Agent().Log())
	}
	return 1
}
