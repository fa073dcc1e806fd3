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
	q.heap = append(q.heap, task{at, q.serial, do})
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !q.heap[i].before(q.heap[parent]) {
			return
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

func (q *queue) pop() task {
	first, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap[last] = task{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q.heap[child].before(q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
