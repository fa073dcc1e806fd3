package size

import (
	"time"

	"golang.org/x/sys/unix"

	"memvip/agent/core"
)

// Work is what an agent's steps took of a real processor, by what they were about.
type Work struct {
	Claims, Answers, States, Ticks, Others Steps
	Saves                                  int
}

// Steps counts some of them.
type Steps struct {
	Count int
	Took  time.Duration
}

func (s *Steps) add(took time.Duration) { s.Count, s.Took = s.Count+1, s.Took+took }

// Mean is what one took; 0 if there was none.
func (s Steps) Mean() time.Duration {
	if s.Count == 0 {
		return 0
	}
	return s.Took / time.Duration(s.Count)
}

func (s Steps) plus(o Steps) Steps { return Steps{s.Count + o.Count, s.Took + o.Took} }

func (w *Work) add(e core.Event, took time.Duration) { w.about(e).add(took) }

func (w *Work) about(e core.Event) *Steps {
	switch e := e.(type) {
	case core.StateHeard:
		return &w.States
	case core.Tick:
		return &w.Ticks
	case core.Received:
		switch e.Msg.(type) {
		case core.Claim:
			return &w.Claims
		case core.Answer:
			return &w.Answers
		}
	}
	return &w.Others
}

// All is the sum of all steps.
func (w Work) All() Steps {
	return w.Claims.plus(w.Answers).plus(w.States).plus(w.Ticks).plus(w.Others)
}

// threadTime is the processor time that this thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("size: read the thread's clock: " + err.Error()) // every kernel that Go runs on has it
	}
	return time.Duration(t.Nano())
}
