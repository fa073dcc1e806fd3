package agent

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/flush"
)

// What the machine asks of an instance: to look at it, to wait until it is quiet, to flush and to restart
// it. Each errand is a goroutine of its own, so that none waits for another.

const (
	// drainPatience is how long a takeover waits for connections of an earlier service to be gone from
	// the process. It is bounded by the lease that was won meanwhile, so it is worth little more.
	drainPatience = time.Second
	// checkTimeout bounds the whole check before an address goes up.
	checkTimeout = 2 * time.Second
	// restartTimeout bounds the operator's restart_command.
	restartTimeout = 30 * time.Second
	// watchRetry is the pause before a wait for quiet that failed begins again.
	watchRetry = 500 * time.Millisecond
)

// check looks at an instance before an address goes up, while that comes about. It runs beside whatever else is asked.
func (s *instances) check(e core.CheckInstance) {
	in := s.all[e.Instance]
	answer := core.InstanceChecked{Instance: e.Instance, Name: e.Name, Number: e.Number, Proof: e.Proof}
	if in == nil {
		answer.Reason = "no such instance here"
		s.running.start(func() { s.queue.put(answer) })
		return
	}
	s.running.start(func() {
		ctx, cancel := context.WithTimeout(s.ctx, checkTimeout)
		defer cancel()
		if err := in.asProved(ctx, e); err != nil {
			answer.Reason, answer.Void = why(err), voids(reasonOf(err))
		}
		s.queue.put(answer)
	})
}

// asProved compares the figures last, so that what a leftover connection still did is seen in them.
func (in *instance) asProved(ctx context.Context, e core.CheckInstance) error {
	if len(e.Drained) > 0 {
		if err := in.port.Drained(ctx, in.address, addressesOf(e.Drained), drainPatience); err != nil {
			return err
		}
	}
	if e.Proof == (core.Proof{}) {
		return nil
	}
	return in.port.Verify(ctx, in.address, certificateOf(e.Proof), e.Serving)
}

// watch waits for quiet until it comes or the machine has no more use for it.
func (s *instances) watch(e core.WatchQuiet) {
	in := s.all[e.Instance]
	if in == nil {
		return
	}
	in.watched++
	number := in.watched
	current := func() bool { return in.watched == number }
	ctx := in.watching.begin(s.ctx)
	s.running.start(func() { in.untilQuiet(ctx, current) })
}

// stopWatch ends a watch; what it still has to say is void.
func (s *instances) stopWatch(e core.StopWatch) {
	if in := s.all[e.Instance]; in != nil {
		in.watched++
		in.watching.end()
	}
}

// untilQuiet may ask current only in what the loop evaluates.
func (in *instance) untilQuiet(ctx context.Context, current func() bool) {
	busy := func(detail string) {
		in.queue.putIf(core.InstanceBusy{Instance: in.name, Detail: detail}, current)
	}
	for ctx.Err() == nil {
		figures, err := in.port.WatchQuiet(ctx, in.address, flush.QuietOptions{Unquiet: busy})
		if err == nil {
			// An older watch's figures would do as well: Prove compares with what is there.
			in.quiet.Store(&figures)
			in.queue.putIf(core.InstanceQuiet{Instance: in.name}, current)
			return
		}
		if ctx.Err() == nil {
			busy(why(err))
		}
		pause(ctx, watchRetry)
	}
}

// flush flushes and proves, from the quiet that the machine was told of.
func (s *instances) flush(e core.FlushInstance) {
	in := s.all[e.Instance]
	failed := func(reason string) {
		s.queue.put(core.FlushFailed{Instance: e.Instance, Attempt: e.Attempt, Reason: reason})
	}
	s.running.start(func() {
		if in == nil {
			failed("no such instance here")
			return
		}
		quiet := in.quiet.Load()
		if quiet == nil {
			failed("it was not seen quiet")
			return
		}
		proof, err := in.port.Prove(s.ctx, in.address, addressesOf(e.Drained), *quiet)
		if err != nil {
			failed(why(err))
			return
		}
		s.queue.put(core.FlushDone{Instance: e.Instance, Attempt: e.Attempt, Proof: proofOfCertificate(proof)})
	})
}

// restarting names an instance whose restart command runs, if there is one. It may be called from any goroutine.
func (s *instances) restarting() (name string, ok bool) {
	for _, name := range s.names() {
		if s.all[name].restarting.Load() {
			return name, true
		}
	}
	return "", false
}

// restart runs the operator's command. What came of it is seen by the prober; why it failed, by people.
func (s *instances) restart(e core.RestartInstance) {
	in := s.all[e.Instance]
	if in == nil || !in.restarting.CompareAndSwap(false, true) {
		return
	}
	s.running.start(func() {
		defer in.restarting.Store(false)
		begun := time.Now()
		ctx, cancel := context.WithTimeout(s.ctx, restartTimeout)
		defer cancel()
		fields := logrus.Fields{fieldInstance: in.name}
		if err := in.port.Restart(ctx, in.command); err != nil {
			s.diary.trouble(fields, "restart command failed", err)
			s.queue.put(core.RestartFailed{Instance: in.name, Reason: flush.Detail(err)})
			return
		}
		fields[fieldTook] = time.Since(begun).Milliseconds()
		s.diary.change(fields, "restart command done")
	})
}
