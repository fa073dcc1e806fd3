package sim

import (
	"slices"

	"memvip/agent/core"
)

// trap is something that waits for the worst instant to happen to an agent: what comes at random hardly ever
// falls between two steps that are a fraction of a millisecond apart.
type trap struct {
	kind   Kind // TrapKill, TrapFreeze or TrapHold; zero: none is set
	at     moment
	length int64 // of the freeze or the hold, or until somebody starts the agent again
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
	whenClaiming                 // a claim of something that it does not hold has been sent
	moments
)

// spring closes the trap if this is the moment it waits for.
func (h *host) spring(now moment) {
	t := h.trap
	if t.kind == 0 || t.at != now || h.machine == nil || h.mended {
		return
	}
	h.trap = trap{}
	switch t.kind {
	case TrapFreeze:
		h.freezeFor(t.length)
	case TrapHold:
		for _, o := range h.hosts {
			if o != h {
				h.net.hold[o.id] = held{h.now + t.length, answerPacket, h.id}
			}
		}
	default:
		h.note("%s: agent killed", h.name)
		h.kill()
		h.afterwards(max(t.length, 11*ms), h.start)
	}
}

// springOn closes a trap that waits for an order of the machine's.
func (h *host) springOn(e core.Effect) {
	if h.trap.kind == 0 {
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
		switch msg := e.Msg.(type) {
		case core.Release:
			h.spring(whenReleasing)
		case core.Claim:
			if slices.ContainsFunc(msg.Entries, func(c core.ClaimEntry) bool { return c.Kind != core.Renewal }) {
				h.spring(whenClaiming)
			}
		default:
		}
	default:
	}
}
