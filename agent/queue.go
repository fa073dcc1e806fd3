package agent

import (
	"sync/atomic"

	"memvip/agent/core"
)

const (
	// queueLen is how many events may wait for the loop, which takes some 10 to 100 us for each.
	queueLen = 4096
	// queueForFacts of them are kept free for what happened on this host, which nobody repeats.
	queueForFacts = 1024
)

// delivery is an event on its way to the machine.
type delivery struct {
	event core.Event
	// stands, unless nil, is asked on the loop's goroutine right before the event is fed: it reports
	// whether the question that the event answers is still open.
	stands func() bool
}

// queue is the one way to the machine.
type queue struct {
	events  chan delivery
	ended   chan struct{} // closed when nothing is taken any more
	dropped atomic.Uint64 // messages and states for which there was no room
}

func newQueue() *queue {
	return &queue{events: make(chan delivery, queueLen), ended: make(chan struct{})}
}

// put hands over what happened here. It waits for room, which there is unless the loop stands still,
// and gives up when the loop has ended.
func (q *queue) put(ev core.Event) { q.putIf(ev, nil) }

// putIf is put for the answer to a question that may be closed before the loop hears it.
func (q *queue) putIf(ev core.Event, stands func() bool) {
	d := delivery{ev, stands}
	select {
	case q.events <- d:
		return
	default:
	}
	select {
	case q.events <- d:
	case <-q.ended:
	}
}

// offer hands over what another node said. It never waits: without room the event is dropped and
// counted, which to the machine is a lost packet.
func (q *queue) offer(ev core.Event) {
	if len(q.events) > queueLen-queueForFacts {
		q.dropped.Add(1)
		return
	}
	select {
	case q.events <- delivery{event: ev}:
	default:
		q.dropped.Add(1)
	}
}

// end lets go everybody who waits for room.
func (q *queue) end() { close(q.ended) }
