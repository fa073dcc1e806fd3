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
	tried  map[uint64]time.Time // the seeds at work, since when
	done   uint64
	seen   sim.Seen
	broken int
}

// progressEvery is how often the progress line is written.
const progressEvery = 10 * time.Second

// tooLong is how long no seed takes: 100,000 took a fifteenth of a second each. One that does has a cluster that talks
// for ever without time passing, which is as bad as a broken rule, and would keep a core from trying others.
const tooLong = 5 * time.Minute

// run tries the seeds until time or seeds are over, or one breaks a rule, and returns the exit code.
func (s *soak) run() int {
	s.next, s.tried = s.from, map[uint64]time.Time{}
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
	seed = s.next
	s.next++
	s.tried[seed] = time.Now()
	return seed, true
}

func (s *soak) put(seed uint64, seen sim.Seen, broken *sim.Violation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	delete(s.tried, seed)
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
			for _, seed := range s.endless(time.Now()) {
				fmt.Printf("BROKEN by seed %d: not at its end after %s\n  see it: %s\n%s\n", seed, tooLong, sim.Again(seed), s.line(begun))
				os.Exit(1) // nothing stops a simulated world but its end
			}
		}
	}
}

// endless returns the seeds that take too long.
func (s *soak) endless(now time.Time) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []uint64
	for seed, since := range s.tried {
		if now.Sub(since) > tooLong {
			list = append(list, seed)
		}
	}
	return list
}

func (s *soak) line(begun time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := time.Since(begun)
	return fmt.Sprintf("%s: %d schedules, %.0f simulated seconds, %.0f a second and core, %d broken",
		took.Round(time.Second), s.done, s.seen.Time.Seconds(), s.seen.Time.Seconds()/took.Seconds()/float64(s.workers), s.broken)
}
