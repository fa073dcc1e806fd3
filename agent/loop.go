package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/core"
	"memvip/agent/gossip"
	"memvip/agent/history"
	"memvip/agent/nowait"
)

// loop feeds the machine and carries out what it orders. Methods that say so may be called from any goroutine, and anybody may
// read the counts; the rest belongs to the goroutine that is in run.
type loop struct {
	shared
	machine   machine
	store     saver
	history   interface{ Append(history.Entry) }
	observer  observers
	net       messenger
	addresses *addresses
	instances *instances

	ticks   func() *nowait.Timer // makes the timers
	timer   *nowait.Timer
	telling *nowait.Timer // set while something is untold
	asks    chan chan core.Status
	answers []core.Event // of effects that were answered at once: fed before anything else
	untold  untold
	exited  bool
	kept    []core.KeptRecord // what stays up after an exit

	counts loopCounts
}

// untold is what nobody waits for: changes that people are told of in log and history, or by hooks, and the node's newest state,
// which gossip spreads with its next round.
type untold struct {
	changes []change
	state   *core.NodeState
}

func (u untold) nothing() bool { return len(u.changes) == 0 && u.state == nil }

// tellAfter is how long it waits. A failover takes a few milliseconds, in which this agent, its memcached and their clients
// have better things to do.
const tellAfter = 10 * time.Millisecond

// change is a change that is still to be told of, and when it was ordered.
type change struct {
	core.Transition
	at time.Time
}

// shared is what the loop and its workers have in common.
type shared struct {
	clock  func() core.Instant
	queue  *queue
	diary  *diary
	failed func(error) // told of a worker's panic; it ends the agent
}

// loopCounts are what the loop counts of its own.
type loopCounts struct {
	steps, sends, sendFailed, saves, saveFailed atomic.Uint64
	slowest                                     atomic.Int64 // longest time from an event to the last of its effects, ns
}

// PanicError is a fault of the agent's own: an invariant was broken, and the node must let go.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// errEnded is the answer of a loop that has ended.
var errEnded = errors.New("the agent is ending")

// caught returns what a deferred recover found; it is to be called with its value.
func caught(value any) error {
	if value == nil {
		return nil
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// boottime reads the clock that the machine lives by: it counts through a suspend.
func boottime() core.Instant { return core.Instant(nowait.Boottime()) }

// run feeds the machine, first with started, until it orders Exit (nil), ctx ends (its cause), or the
// machine panics (a *PanicError). The loop does not run again.
func (l *loop) run(ctx context.Context, started core.Started) (err error) {
	defer func() {
		if fault := caught(recover()); fault != nil {
			err = fault
		}
	}()
	defer l.queue.end()
	l.timer, l.telling = l.ticks(), l.ticks()
	defer l.timer.Stop()
	defer l.telling.Stop()
	defer l.tell() // what was before a panic, too
	l.feed(started)
	for !l.exited {
		select {
		case d := <-l.queue.events:
			if d.stands == nil || d.stands() {
				l.feed(d.event)
			}
		case <-l.timer.C:
			l.feed(core.Tick{})
		case <-l.telling.C:
			l.tell()
		case answer := <-l.asks:
			answer <- l.machine.Status(l.clock())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// feed steps the machine with an event and then with what came of the effects that were answered at
// once: nothing may come between a save and its result.
func (l *loop) feed(ev core.Event) {
	toldAll := l.untold.nothing()
	begun := l.clock()
	l.step(ev)
	for len(l.answers) > 0 {
		next := l.answers[0]
		l.answers = l.answers[1:]
		l.step(next)
	}
	if toldAll && !l.untold.nothing() {
		l.telling.Reset(tellAfter)
	}
	took := l.clock().Sub(begun)
	if int64(took) > l.counts.slowest.Load() {
		l.counts.slowest.Store(int64(took))
	}
	l.observer.Stepped(took)
}

// step reads the clock right before the machine looks at the event, however long it has waited.
func (l *loop) step(ev core.Event) {
	l.counts.steps.Add(1)
	now := l.clock()
	l.observer.Heard(now, ev)
	for _, effect := range l.machine.Step(now, ev) {
		l.observer.Ordered(now, effect)
		if t, ok := effect.(core.Transition); ok {
			l.untold.changes = append(l.untold.changes, change{t, time.Now()})
			continue
		}
		l.perform(effect)
		l.observer.Done(effect)
	}
}

// tell writes what changed into log and history, and hands the newest state to gossip.
func (l *loop) tell() {
	if state := l.untold.state; state != nil {
		l.net.Publish(*state)
		l.untold.state = nil
	}
	for _, c := range l.untold.changes {
		l.diary.transition(c.Transition, c.at)
		l.history.Append(history.FromTransition(c.Transition, c.at))
		l.observer.Done(c.Transition)
	}
	l.untold.changes = l.untold.changes[:0]
}

// note writes an entry into the history after what has happened before it. It may be called from any goroutine while the loop
// runs; once that has ended there is no history to write.
func (l *loop) note(e history.Entry) {
	l.queue.putIf(core.Tick{}, func() bool {
		l.tell()
		l.history.Append(e)
		return false
	})
}

// perform carries out one effect, or hands it to the worker that will.
func (l *loop) perform(effect core.Effect) {
	switch e := effect.(type) {
	case core.SaveState:
		l.answered(l.save(e))
	case core.Send:
		l.counts.sends.Add(1)
		if err := l.net.Send(e.To, e.Msg); err != nil {
			l.counts.sendFailed.Add(1) // to the machine it is a lost packet
			if gossip.ReasonOf(err) == gossip.DropOversize {
				l.diary.trouble(logrus.Fields{}, "messages are too long for their packets, and lost: there are too many VIPs for names of that length", nil)
			}
		}
	case core.PublishState:
		l.untold.state = &e.State
	case core.WakeAt:
		l.timer.Reset(max(0, e.At.Sub(l.clock())))
	case core.TakeAddress:
		l.answered(l.addresses.take(e))
	case core.ProlongAddress:
		l.addresses.prolong(e)
	case core.DropAddress:
		l.answered(l.addresses.drop(e))
	case core.AnnounceAddress:
		l.addresses.announce(e)
	case core.CheckInstance:
		l.addresses.sweep(e.Drained)
		l.instances.check(e)
	case core.WatchQuiet:
		l.instances.watch(e)
	case core.StopWatch:
		l.instances.stopWatch(e)
	case core.FlushInstance:
		l.instances.flush(e)
	case core.RestartInstance:
		l.instances.restart(e)
	case core.Exit:
		l.exited, l.kept = true, e.Kept
	default:
		panic(fmt.Sprintf("agent: unknown effect %T", effect))
	}
}

// answered keeps an answer until the effects of the present step are carried out.
func (l *loop) answered(ev core.Event) {
	if ev != nil {
		l.answers = append(l.answers, ev)
	}
}

func (l *loop) save(e core.SaveState) core.Event {
	l.counts.saves.Add(1)
	if err := l.store.Save(e.Durable); err != nil {
		l.counts.saveFailed.Add(1)
		return core.SaveFailed{Seq: e.Seq, Err: err.Error()}
	}
	return core.StateSaved{Seq: e.Seq}
}

// inform feeds an event, from any goroutine, and returns when the machine has taken it up: what ask returns later is of
// the time after. It fails when ctx or the loop has ended.
func (l *loop) inform(ctx context.Context, ev core.Event) error {
	taken := make(chan struct{})
	l.queue.putIf(ev, func() bool { close(taken); return true })
	select {
	case <-taken:
		return nil
	case <-l.queue.ended:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask returns the machine's status, from any goroutine. It fails when ctx or the loop has ended.
func (l *loop) ask(ctx context.Context) (core.Status, error) {
	answer := make(chan core.Status, 1)
	select {
	case l.asks <- answer:
	case <-l.queue.ended:
		return core.Status{}, errEnded
	case <-ctx.Done():
		return core.Status{}, ctx.Err()
	}
	select {
	case status := <-answer:
		return status, nil
	case <-l.queue.ended:
		return core.Status{}, errEnded
	case <-ctx.Done():
		return core.Status{}, ctx.Err()
	}
}
