package agent

import "sync"

// mailbox is a queue between the loop, which must not wait, and one worker. It has no bound of its own:
// the machine orders nothing twice while the first is unanswered.
type mailbox[T any] struct {
	mu     sync.Mutex
	filled *sync.Cond
	items  []T
	closed bool
}

func newMailbox[T any]() *mailbox[T] {
	m := &mailbox[T]{}
	m.filled = sync.NewCond(&m.mu)
	return m
}

// put adds an item; on a closed mailbox it does nothing.
func (m *mailbox[T]) put(item T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.items = append(m.items, item)
	m.filled.Signal()
}

// get waits for the next item. It reports false once the mailbox is closed and empty.
func (m *mailbox[T]) get() (item T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.items) == 0 && !m.closed {
		m.filled.Wait()
	}
	if len(m.items) == 0 {
		return item, false
	}
	item = m.items[0]
	m.items = m.items[1:]
	return item, true
}

func (m *mailbox[T]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.filled.Broadcast()
}
