package sim

// task is something that happens at an instant of real time, in nanoseconds since the world began.
type task struct {
	at     int64
	serial uint64
	do     func()
}

// queue holds the tasks to come as a binary heap, ordered by time and then by when they were planned,
// so that one seed gives one order of events.
type queue struct {
	heap   []task
	serial uint64
}

func (q *queue) empty() bool { return len(q.heap) == 0 }

// next is when the first task is due. Precondition: not empty.
func (q *queue) next() int64 { return q.heap[0].at }

func (t task) before(o task) bool { return t.at < o.at || t.at == o.at && t.serial < o.serial }

func (q *queue) push(at int64, do func()) {
	q.serial++
	t := task{at, q.serial, do}
	q.heap = append(q.heap, t)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !t.before(q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = t
}

func (q *queue) pop() task {
	first, last := q.heap[0], len(q.heap)-1
	t := q.heap[last]
	q.heap[last] = task{}
	q.heap = q.heap[:last]
	if last == 0 {
		return first
	}
	i := 0
	for child := 1; child < last; child = 2*i + 1 {
		if child+1 < last && q.heap[child+1].before(q.heap[child]) {
			child++
		}
		if t.before(q.heap[child]) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = t
	return first
}
