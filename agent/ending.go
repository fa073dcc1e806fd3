package agent

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"memvip/agent/core"
	"memvip/agent/history"
	"memvip/agent/service"
	"memvip/configs"
)

// stopPatience is how long an end may take that was asked for before the agent leaves without.
const stopPatience = 5 * time.Second

// How a stop can end other than well. The addresses are down in both cases.
var (
	errStopTimeout = errors.New("stop: not everything was given away in time")
	errHurried     = errors.New("stop: hurried")
)

// ending is how an agent's life ends.
type ending struct {
	way  configs.Stop
	why  string
	next *successor // that this process goes on as; nil: none
}

// awaitStop turns the end of ctx or a signal into an orderly end, and an orderly end that hangs into another.
func (a *agent) awaitStop(ctx context.Context) {
	end, asked := a.awaitEnding(ctx)
	if !asked {
		return
	}
	a.diary.change(logrus.Fields{fieldWay: string(end.way), fieldCause: end.why}, "agent stops")
	a.loop.note(history.Stops(end.why, time.Now()))
	if end.next != nil {
		a.herald.Anew(end.why)
	} else {
		a.herald.Stopping(end.why)
	}
	a.asked.Store(&end)
	a.loop.queue.put(core.StopRequested{Keep: end.way == configs.StopKeep})
	hurry := a.options.Signals
	if end.next != nil {
		hurry = nil // a stop that comes now is for the life that then follows; see goOn
	}
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-a.loop.queue.ended:
	case <-patience.C:
		a.cancel(errStopTimeout)
	case <-hurry:
		a.cancel(errHurried)
	}
}

// awaitEnding waits until the agent is told to end. An upgrade is tried beside that, and is an end once it has
// passed. asked is false if the loop ended by itself.
func (a *agent) awaitEnding(ctx context.Context) (end ending, asked bool) {
	trying, enough := context.WithCancel(a.ctx)
	defer enough()
	var tried chan error // of the wish; nil: none is tried
	var wished wish
	try := func(w wish) {
		if a.options.Program == nil || tried != nil {
			w.answered(errNotNow)
			return
		}
		wished, tried = w, make(chan error, 1)
		verdict := tried
		a.tellers.start(func() { verdict <- a.trial(trying) })
	}
	for {
		select {
		case <-ctx.Done():
			return ending{way: a.config.Agent.Stop, why: "the agent's context ended"}, true
		case s := <-a.options.Signals:
			return a.endingFor(ctx, s), true
		case s := <-a.options.Program.wishes():
			try(wishOf(s))
		case w := <-a.reloads:
			try(w)
		case err := <-tried:
			if end, ok := a.grant(ctx, wished, err); ok {
				return end, true
			}
			tried = nil
		case <-a.loop.queue.ended:
			return ending{}, false
		}
	}
}

// endingFor says how to end on a signal: as configured, unless systemd ends this process only to start it again.
func (a *agent) endingFor(ctx context.Context, s os.Signal) ending {
	end := ending{way: a.config.Agent.Stop, why: s.String()}
	if s != unix.SIGTERM || end.way == configs.StopKeep {
		return end
	}
	restart, err := service.Restarting(ctx, a.services)
	switch {
	case err != nil:
		a.diary.trouble(logrus.Fields{}, "not known whether this is a restart: taken for a stop", err)
	case restart:
		return ending{way: configs.StopKeep, why: "systemd restarts the unit"}
	}
	return end
}
