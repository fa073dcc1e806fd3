package sim

import "memvip/agent/core"

// trap is a kill or a freeze that waits for the worst instant: random ones hardly ever fall between two steps
// that are a fraction of a millisecond apart.
type trap struct {
	set    bool
	freeze bool
	at     moment
	length int64 // of the freeze, or until somebody starts the agent again
}

// moment is an instant in an agent's work.
type moment uint8

const (
	whenSaving     moment = iota // the state file is being written
	whenSaved                    // it has just been
	whenTaking                   // an address is about to go up
	whenUp                       // it has just gone up, and the agent does not know yet
	whenProlonging               // a lease was renewed, and the kernel does not know yet
	whenDropping                 // an address is about to go down
	whenReleasing                // a release has been sent
	whenFlushing                 // a flush is about to be sent
	moments
)

// spring closes the trap if this is the moment it waits for.
func (h *host) spring(now moment) {
	if !h.trap.set || h.trap.at != now || h.machine == nil || h.mended {
		return
	}
	t := h.trap
	h.trap = trap{}
	if t.freeze {
		h.freezeFor(t.length)
		return
	}
	h.note("%s: agent killed", h.name)
	h.kill()
	h.afterwards(max(t.length, 11*ms), h.start)
}

// springOn closes a trap that waits for an order of the machine's.
func (h *host) springOn(e core.Effect) {
	if !h.trap.set {
		return
	}
	switch e := e.(type) {
	case core.TakeAddress:
		h.spring(whenTaking)
	case core.ProlongAddress:
		h.spring(whenProlonging)
	case core.DropAddress:
		h.spring(whenDropping)
	case core.FlushInstance:
		h.spring(whenFlushing)
	case core.Send:
		if kindOf(e.Msg) == releasePacket {
			h.spring(whenReleasing)
		}
	default:
	}
}
