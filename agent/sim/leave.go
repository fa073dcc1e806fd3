package sim

import "memvip/agent/core"

// departure is what becomes of an agent once it has left with its addresses up.
type departure struct {
	back    int64 // it starts again that much later; zero: it was not told to leave so
	cleanup bool  // the unit's cleanup runs in between
}

// leave tells the agent to leave with its addresses up.
func (h *host) leave(d departure) {
	if h.machine == nil {
		return
	}
	h.leaving = d
	h.feed(core.StopRequested{Keep: true})
}

// departed carries an exit out. Where addresses stay up, what their workers have been told is still done
// before the process ends.
func (h *host) departed(e core.Exit) {
	h.note("%s: agent leaves, %d addresses kept", h.name, len(e.Kept))
	d := h.leaving
	if d.back == 0 {
		h.end()
	} else {
		h.machine, h.backlog = nil, nil
		life := h.life
		h.after(h.busyFor(), func() {
			if h.life != life {
				return
			}
			h.end()
			if d.cleanup {
				h.cleanupSoon()
			}
			h.afterwards(d.back, h.start)
		})
	}
	if h.mended {
		h.after(100*ms, h.start)
	}
}

// busyFor is how long the workers still have to do.
func (h *host) busyFor() int64 {
	longest := int64(0)
	for v := range h.addresses {
		longest = max(longest, h.addresses[v].busy-h.now)
	}
	return longest
}
