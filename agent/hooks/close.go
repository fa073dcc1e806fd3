package hooks

import "time"

// killPatience bounds how long Close waits for what it has killed: a process that is stuck in the kernel does not die.
const killPatience = 500 * time.Millisecond

// Close takes no more events, and gives the hooks that run and wait so long to end. What is left then is killed or
// dropped. It returns patience and half a second later at the latest. Another call does nothing.
func (r *Runner) Close(patience time.Duration) { r.closing.Do(func() { r.close(patience) }) }

func (r *Runner) close(patience time.Duration) {
	r.mu.Lock()
	r.closed = true
	r.tellIdle()
	r.mu.Unlock()
	if patience > 0 {
		over := time.NewTimer(patience)
		defer over.Stop()
		select {
		case <-r.idle:
		case <-over.C:
		}
	}
	for _, e := range r.dropAll() {
		r.report.Dropped(e)
	}
	close(r.giveUp)
	select {
	case <-r.idle:
		r.ended.Wait()
	case <-time.After(killPatience):
	}
}

// tellIdle lets Close know that there is nothing to wait for any more. mu is held.
func (r *Runner) tellIdle() {
	if !r.closed || len(r.running) > 0 || r.waiting() > 0 {
		return
	}
	select {
	case <-r.idle:
	default:
		close(r.idle)
	}
}

// dropAll empties the queues.
func (r *Runner) dropAll() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var dropped []Event
	for _, l := range r.lanes {
		dropped = append(dropped, l.waiting...)
		l.waiting = nil
	}
	r.ready = nil
	for _, e := range dropped {
		r.counts.of(e.Kind).Dropped++
	}
	r.tellIdle()
	return dropped
}
