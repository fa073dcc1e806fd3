package size

import "container/heap"

// event is something that happens at an instant of simulated time.
type event struct {
	at     int64
	serial uint64 // of two at one instant the one planned first comes first
	do     func()
}

// queue holds the events to come as a heap, the next one first.
type queue struct {
	events []event
	serial uint64
}

func (q *queue) Len() int { return len(q.events) }

func (q *queue) Less(i, j int) bool {
	a, b := &q.events[i], &q.events[j]
	return a.at < b.at || a.at == b.at && a.serial < b.serial
}

func (q *queue) Swap(i, j int) { q.events[i], q.events[j] = q.events[j], q.events[i] }

func (q *queue) Push(x any) { q.events = append(q.events, x.(event)) }

func (q *queue) Pop() any {
	last := len(q.events) - 1
	e := q.events[last]
	q.events[last] = event{}
	q.events = q.events[:last]
	return e
}

func (q *queue) add(at int64, do func()) {
	q.serial++
	heap.Push(q, event{at, q.serial, do})
}

// before reports whether there is an event no later than an instant.
func (q *queue) before(at int64) bool { return len(q.events) > 0 && q.events[0].at <= at }

// next takes the first event out. Precondition: there is one.
func (q *queue) next() event { return heap.Pop(q).(event) }
