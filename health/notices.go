package health

import "sync"

// notices carries exits from the connector's goroutine, which must not wait, to a loop. Only the first of each kind is
// kept until the loop takes them: a dying process gives one for every thread.
type notices struct {
	wake chan struct{} // has room for one

	mu      sync.Mutex
	pending []Exit
}

func newNotices() *notices { return &notices{wake: make(chan struct{}, 1)} }

func (n *notices) put(e Exit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pending {
		if p.Kind == e.Kind && p.PID == e.PID {
			return
		}
	}
	n.pending = append(n.pending, e)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notices) take() []Exit {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.pending
	n.pending = nil
	return taken
}
