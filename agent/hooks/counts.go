package hooks

// Counts are figures of one kind of hook since the process began.
type Counts struct {
	Run      uint64 // runs that have ended, however they did, and those that could not be begun
	Failed   uint64 // of those, that reported a failure, were killed by somebody, or could not be begun
	TimedOut uint64 // of those, that were killed for their timeout
	Dropped  uint64 // events for which nothing was run: more happened than the commands could follow, or the agent ended
}

func (c *Counts) count(o *Outcome) {
	c.Run++
	switch {
	case o.TimedOut:
		c.TimedOut++
	case o.Err != nil:
		c.Failed++
	}
}

// Snapshot is what a Runner has done, and has to do, at one moment.
type Snapshot struct {
	Claim, Release, Refusal, Conflict Counts

	Waiting int // events
	Running int // commands
}

// Total adds the figures of all kinds up.
func (s Snapshot) Total() Counts {
	var t Counts
	for _, c := range []Counts{s.Claim, s.Release, s.Refusal, s.Conflict} {
		t.Run += c.Run
		t.Failed += c.Failed
		t.TimedOut += c.TimedOut
		t.Dropped += c.Dropped
	}
	return t
}

func (s *Snapshot) of(k Kind) *Counts {
	switch k {
	case Claim:
		return &s.Claim
	case Release:
		return &s.Release
	case Refusal:
		return &s.Refusal
	case Conflict:
	}
	return &s.Conflict
}

// Snapshot returns the figures.
func (r *Runner) Snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.counts
	s.Waiting, s.Running = r.waiting(), len(r.running)
	return s
}

// waiting counts events. mu is held.
func (r *Runner) waiting() int {
	n := 0
	for _, l := range r.lanes {
		n += len(l.waiting)
	}
	return n
}
