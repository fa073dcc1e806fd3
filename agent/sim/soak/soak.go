package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"memvip/agent/sim"
)

// soak is a row of seeds.
type soak struct {
	from, count uint64
	length      time.Duration
	workers     int
	goOn        bool // after a seed that breaks a rule

	mu     sync.Mutex
	next   uint64
	done   uint64
	seen   sim.Seen
	broken int
}

// progressEvery is how often the progress line is written.
const progressEvery = 10 * time.Second

// run tries the seeds until time or seeds are over, or one breaks a rule, and returns the exit code.
func (s *soak) run() int {
	s.next = s.from
	begun := time.Now()
	stop := make(chan struct{})
	var progress sync.WaitGroup
	progress.Go(func() { s.report(begun, stop) })
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for {
				seed, more := s.take(begun)
				if !more {
					return
				}
				seen, broken := sim.Run(sim.Draw(seed), nil)
				s.put(seed, seen, broken)
			}
		})
	}
	workers.Wait()
	close(stop)
	progress.Wait()
	fmt.Printf("%s\n%s\n", s.line(begun), summary(s.seen))
	if s.broken == 0 {
		return 0
	}
	return 1
}

func (s *soak) take(begun time.Time) (seed uint64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken > 0 && !s.goOn, s.count > 0 && s.next >= s.from+s.count, s.length > 0 && time.Since(begun) >= s.length:
		return 0, false
	}
	s.next++
	return s.next - 1, true
}

func (s *soak) put(seed uint64, seen sim.Seen, broken *sim.Violation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	s.seen.Add(seen)
	if broken != nil {
		s.broken++
		fmt.Printf("BROKEN by seed %d at %s\n  see it: %s\n", seed, broken, sim.Again(seed))
	}
}

func (s *soak) report(begun time.Time, stop <-chan struct{}) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			fmt.Fprintln(os.Stderr, s.line(begun))
		}
	}
}

func (s *soak) line(begun time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := time.Since(begun)
	return fmt.Sprintf("%s: %d schedules, %.0f simulated seconds, %.0f a second and core, %d broken",
		took.Round(time.Second), s.done, s.seen.Time.Seconds(), s.seen.Time.Seconds()/took.Seconds()/float64(s.workers), s.broken)
}
