package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// series runs the plan.
type series struct {
	set      settings
	progress io.Writer
	machine  machine

	samples  []sample
	versions versions
	done     int
	planned  int
	begun    time.Time
}

// vips is the number of VIPs of a site, one for each of its three hosts.
const vips = 3

// run goes through the plan. A run that leaves its hosts unsettled costs the round's other runs fresh
// hosts, not their turn. It returns an error if the series could not be finished.
func (s *series) run(ctx context.Context) error {
	rounds := plan(s.set.faults, s.set.runs, vips)
	for _, r := range rounds {
		s.planned += len(r.steps)
	}
	s.begun = time.Now()
	for _, r := range rounds {
		for len(r.steps) > 0 {
			left, err := s.visit(ctx, r)
			if err != nil {
				return err
			}
			r.steps = left
		}
	}
	return nil
}

// visit runs the steps of a round on fresh hosts. It returns those that are left, fewer than it got.
func (s *series) visit(ctx context.Context, r round) (left []step, err error) {
	hosts, err := newSite(ctx, r.site, s.set)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hosts.close()) }()
	s.versions.note(r.site, hosts)
	for i, st := range r.steps {
		got, failed := hosts.run(ctx, st, s.set)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped after %d of %d runs", s.done, s.planned)
		}
		if failed != nil && len(got.Problems) == 0 {
			return nil, failed // the lab itself failed
		}
		s.samples = append(s.samples, got)
		s.done++
		s.tell(got)
		if s.set.logs || got.puzzling() {
			fmt.Fprintf(s.progress, "struck at %s\n%s", got.Begun.Format(clockFormat), hosts.story(ctx))
		}
		if failed != nil {
			return r.steps[i+1:], nil
		}
	}
	return nil, nil
}

// tell writes one line of progress, and one for each problem.
func (s *series) tell(got sample) {
	fmt.Fprintln(s.progress, progressLine(got, s.done, s.planned, time.Since(s.begun)))
	for _, p := range got.Problems {
		fmt.Fprintln(s.progress, "    "+p.String())
	}
}

// result is what was found so far.
func (s *series) result() result {
	return result{
		Machine: s.machine, Versions: s.versions, Settings: describe(s.set), Planned: s.planned,
		LoadAtEnd: loadAverage(), Samples: s.samples, faults: s.set.faults, set: s.set,
	}
}
