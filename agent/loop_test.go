package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"memvip/agent/core"
	"memvip/agent/history"
	"memvip/vip"
)

func durable(start uint64) core.Durable { return core.Durable{Start: start} }

func TestEffectsAreCarriedOutInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.want("started")
		r.order(
			core.Send{To: "h2"}, core.SaveState{Seq: 7, Durable: durable(3)}, core.Send{To: "nowhere"},
			core.Send{To: "h3"},
		)
		r.want("send h2", "save 3", "send nowhere", "send h3", "saved 7")
		if sent, failed := r.loop.counts.sends.Load(), r.loop.counts.sendFailed.Load(); sent != 3 || failed != 1 {
			t.Errorf("counted %d sends, %d failed; want 3 and 1", sent, failed)
		}
	})
}

// notebook is a history that is noted in the journal.
type notebook struct{ rig *rig }

func (n notebook) Append(e history.Entry) { n.rig.note("told %s at %s", e.To, e.Time.Sub(n.rig.begun)) }

// People hear of changes once the others are done with them, with the times at which they came, and of the last ones at the
// latest before the loop ends, whatever ends it. So does gossip, of the newest state alone.
func TestChangesAreToldWhenAllElseIsDone(t *testing.T) {
	for name, end := range map[string]func(*rig){
		"exit":  func(r *rig) { r.order(core.Transition{To: "dropping"}, core.Exit{}) },
		"panic": func(r *rig) { r.order(core.Transition{To: "dropping"}, nil) },
		"context": func(r *rig) {
			r.order(core.Transition{To: "dropping"})
			r.cancel(errHurried)
			r.settle()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.loop.history = notebook{r}
				r.start()
				r.order(core.Transition{To: "candidate"}, core.PublishState{State: core.NodeState{Seq: 5}}, core.Send{To: "h2"})
				pass(tellAfter / 2)
				r.order(core.Transition{To: "taking"}, core.PublishState{State: core.NodeState{Seq: 6}})
				r.want("started", "send h2")
				pass(tellAfter / 2)
				r.settle()
				r.want("publish 6", "told candidate at 0s", "told taking at 5ms")
				end(r)
				r.want("told dropping at 10ms")
			})
		})
	}
}

// What another goroutine writes into the history comes behind what happened before.
func TestNotesKeepTheOrderOfTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.loop.history = notebook{r}
		r.start()
		r.order(core.Transition{To: "candidate"})
		pass(tellAfter / 2)
		r.loop.note(history.Entry{To: "asked", Time: time.Now()})
		r.settle()
		r.want("started", "told candidate at 0s", "told asked at 5ms")
		pass(tellAfter)
		r.want()
	})
}

func TestNothingComesBetweenASaveAndItsResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.save = func(d core.Durable) error {
			r.loop.queue.put(core.LinkChanged{Name: vipA}) // happens while the file is written
			if d.Start == 2 {
				return errors.New("disk full")
			}
			return nil
		}
		r.react = func(ev core.Event) []core.Effect {
			if saved, ok := ev.(core.StateSaved); ok && saved.Seq == 1 {
				return []core.Effect{core.SaveState{Seq: 4, Durable: durable(4)}}
			}
			return nil
		}
		r.start()
		r.want("started")
		r.order(core.SaveState{Seq: 1, Durable: durable(1)}, core.SaveState{Seq: 2, Durable: durable(2)})
		r.want("save 1", "save 2", "saved 1", "save 4", "save failed 2: disk full", "saved 4", "linkchanged", "linkchanged", "linkchanged")
		if n := r.loop.counts.saveFailed.Load(); n != 1 {
			t.Errorf("counted %d failed saves, want 1", n)
		}
	})
}

func TestTheNewestWakeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.want("started")
		begun := r.now()
		r.order(core.WakeAt{At: begun.Add(time.Second)}, core.WakeAt{At: begun.Add(300 * time.Millisecond)})
		pass(299 * time.Millisecond)
		r.settle()
		r.want()
		pass(time.Millisecond)
		r.settle()
		r.want("tick")
		pass(time.Minute) // none is left
		r.want()
		r.order(core.WakeAt{At: begun}) // already over
		r.want("tick")
		r.order(core.WakeAt{At: 1<<63 - 1}) // never
		pass(time.Hour)
		r.want()
	})
}

func TestExitEndsTheLoopAfterTheStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.order(core.Exit{}, core.Send{To: "h2"}, core.SaveState{Seq: 1, Durable: durable(1)})
		r.want("started", "send h2", "save 1", "saved 1")
		if err := <-r.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		r.loop.queue.put(core.Tick{}) // nobody listens, nobody waits
		if _, err := r.loop.ask(t.Context()); !errors.Is(err, errEnded) {
			t.Errorf("status of an ended loop: %v", err)
		}
	})
}

func TestTheEndOfTheContextEndsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		r.cancel(errHurried)
		if err := <-r.ended; !errors.Is(err, errHurried) {
			t.Errorf("ended with %v, want the cause", err)
		}
	})
}

func TestAPanicOfTheMachineLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		hung, thaw := make(chan struct{}), make(chan struct{})
		r.addresses.take = func(a vip.Address, lease vip.Lease) error {
			if a == addressB {
				close(hung)
				<-thaw
				if lease() <= 0 {
					return vip.ErrTooLate
				}
			}
			return nil
		}
		r.react = func(ev core.Event) []core.Effect {
			if _, ok := ev.(core.StopRequested); ok {
				panic("core: two holders")
			}
			return nil
		}
		r.start()
		later := r.now().Add(time.Minute)
		r.order(core.TakeAddress{Name: vipA, Term: termOne, Until: later}, core.TakeAddress{Name: vipB, Term: termOne, Until: later})
		<-hung
		r.loop.queue.put(core.StopRequested{})
		err := <-r.ended
		fault, ok := errors.AsType[*PanicError](err)
		if !ok || fault.Error() != "panic: core: two holders" || len(fault.Stack) == 0 {
			t.Fatalf("ended with %v, want a panic with its stack", err)
		}
		r.journal = nil
		if err := r.loop.addresses.letGo(); err != nil {
			t.Fatal(err)
		}
		if !r.heard("drop 10.0.0.101") || !r.heard("drop 10.0.0.102") {
			t.Errorf("not everything dropped: %q", r.journal)
		}
		close(thaw) // the take that was under way finds its lease over
		r.loop.addresses.finish()
		if up := r.loop.addresses.up(); len(up) != 0 {
			t.Errorf("up after letting go: %v", up)
		}
	})
}

func TestAPanicOfAWorkerEndsTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.addresses.drop = func(vip.Address) error { panic("no such thing") }
		r.start()
		r.order(core.DropAddress{Name: vipA})
		if _, ok := errors.AsType[*PanicError](<-r.ended); !ok {
			t.Error("the loop did not end with the worker's panic")
		}
	})
}

func TestStatusIsAskedOfTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		early, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.loop.ask(early); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before the loop runs: %v", err)
		}
		r.start()
		if s, err := r.loop.ask(t.Context()); err != nil || s.Node != "h1" {
			t.Errorf("got %+v, %v", s, err)
		}
	})
}

func TestAMessageWithoutRoomIsDroppedButAFactIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		for range queueLen {
			q.offer(core.Received{})
		}
		kept := queueLen - queueForFacts + 1
		if len(q.events) != kept || q.dropped.Load() != uint64(queueLen-kept) {
			t.Errorf("%d kept, %d dropped, want %d kept of %d", len(q.events), q.dropped.Load(), kept, queueLen)
		}
		facts := queueLen - kept + 1 // one more than there is room for
		done := make(chan struct{})
		go func() {
			for range facts {
				q.put(core.Tick{})
			}
			close(done)
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("the last fact did not wait for room")
		default:
		}
		<-q.events
		<-done
		go q.put(core.Tick{})
		q.end()
		synctest.Wait() // nobody waits for a loop that has ended
	})
}
