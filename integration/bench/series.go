package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// series runs what the settings ask for and the results lack.
type series struct {
	set      settings
	progress io.Writer
	found    results

	done    int // by this call
	planned int
	begun   time.Time
}

// vips is the number of VIPs of a site, one for each of its three hosts.
const vips = 3

// errStopped is the error of a series that a signal ended.
var errStopped = errors.New("stopped")

// run measures everything. It returns an error if the series could not be finished; what was measured is kept.
func (s *series) run(ctx context.Context) error {
	err := s.runAll(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("%w after %d of %d runs", errStopped, s.done, s.planned) // whatever else failed by that
	}
	return err
}

func (s *series) runAll(ctx context.Context) error {
	s.begun = time.Now()
	rounds := without(plan(s.set.contenders, s.set.faults, s.set.runs, vips), s.found.has)
	s.planned = stepsIn(rounds)
	for _, r := range rounds {
		if err := s.round(ctx, r); err != nil {
			return err
		}
	}
	if err := s.runSteady(ctx); err != nil {
		return err
	}
	return s.runBurns(ctx)
}

// round runs all steps of a round. A run that leaves its hosts unsettled costs the round's other runs fresh hosts, not
// their turn.
func (s *series) round(ctx context.Context, r round) error {
	for len(r.steps) > 0 {
		left, err := s.visit(ctx, r)
		if s.givesUp(r.contender, err) {
			return nil
		}
		if err != nil {
			return err
		}
		r.steps = left
	}
	return nil
}

// givesUp reports whether an error ends only what was about to be measured, and notes it then: keepalived that does not
// come to rest is a finding, memvip that does not is a broken promise.
func (s *series) givesUp(c contender, err error) bool {
	if !errors.Is(err, errUnsettled) || c.ours() {
		return false
	}
	note := fmt.Sprintf("%s did not come to rest on fresh hosts within %s", c.name, c.patience())
	s.found.Notes = append(s.found.Notes, note)
	fmt.Fprintln(s.progress, note)
	if s.set.logs {
		fmt.Fprintln(s.progress, err)
	}
	return true
}

// visit runs the steps of a round on fresh hosts. It returns those that are left, fewer than it got.
func (s *series) visit(ctx context.Context, r round) (left []step, err error) {
	begun := time.Now()
	hosts, err := newSite(ctx, r.contender, r.site, s.set)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, hosts.close()) }()
	s.found.Versions.noteSite(r.site, hosts)
	fmt.Fprintf(s.progress, "%s: fresh hosts in %.1f s\n", r.contender.name, time.Since(begun).Seconds())
	for i, st := range r.steps {
		got, failed := hosts.run(ctx, st, s.set)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if failed != nil && len(got.Problems) == 0 {
			return nil, failed // the lab itself failed
		}
		s.found.Runs = append(s.found.Runs, got)
		s.done++
		s.tell(got)
		if s.set.logs || got.puzzling() && r.contender.ours() {
			fmt.Fprintf(s.progress, "struck at %s\n%s", got.Begun.Format(clockFormat), hosts.story(ctx))
		}
		if err := s.keep(); err != nil {
			return nil, err
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
		if oursNamed(got.Contender) || s.set.logs {
			fmt.Fprintln(s.progress, "    "+p.String())
		}
	}
}

// keep writes what was found so far to its file, if there is one.
func (s *series) keep() error {
	if s.set.file == "" {
		return nil
	}
	return s.found.save(s.set.file)
}
