package sim

import (
	"fmt"

	"memvip/agent/core"
)

// carryOut does what the agent's adapters do with an effect, in simulated time.
func (h *host) carryOut(e core.Effect) {
	switch e := e.(type) {
	case core.Send:
		h.send(h, e.To, e.Msg)
	case core.PublishState:
		h.gossip(h, e.State)
	case core.TakeAddress:
		h.orderTake(h.names[e.Name], e)
	case core.ProlongAddress:
		h.orderProlong(h.names[e.Name], e)
	case core.DropAddress:
		h.orderDrop(h.names[e.Name])
	case core.AnnounceAddress:
		h.orderAnnounce(h.names[e.Name], e)
	case core.CheckInstance:
		h.instance(e.Instance).check(e)
	case core.WatchQuiet:
		h.instance(e.Instance).watchQuiet()
	case core.StopWatch:
		h.instance(e.Instance).watch++
	case core.FlushInstance:
		h.instance(e.Instance).flush(e)
	case core.RestartInstance:
		h.instance(e.Instance).restartCommand()
	case core.WakeAt:
		h.wake(e.At)
	case core.Transition:
		h.transition(e)
	case core.Exit:
		h.departed(e)
	default:
		panic(fmt.Sprintf("sim: unknown effect %T", e))
	}
}

func (h *host) instance(name string) *instance {
	for v, in := range h.instanceOf {
		if h.instanceName(v) == name {
			return in
		}
	}
	panic("sim: no instance " + name)
}

// wake has the agent look at its clock at an instant, give or take what a scheduler does.
func (h *host) wake(at core.Instant) {
	h.wakeAt = at
	h.later(max(0, h.clock.when(at)-h.now)+h.random.Int64N(150*us), func() {
		if h.wakeAt == at {
			h.feed(core.Tick{})
		}
	})
}

// transition writes what a log would say.
func (h *host) transition(t core.Transition) {
	if t.Cause == core.CauseHandback && t.To == core.Dropping.String() {
		h.seen.Handbacks++
	}
	h.judgeConflict(t)
	if h.trace == nil {
		return
	}
	line := h.name
	if t.Name != "" {
		line += " " + string(t.Name)
	}
	if t.Instance != "" {
		line += " " + t.Instance
	}
	line += fmt.Sprintf(": %s -> %s (%s)", t.From, t.To, t.Cause)
	if t.Term.Known() {
		line += " term " + t.Term.String()
	}
	if t.Detail != "" {
		line += ": " + t.Detail
	}
	h.note("%s", line)
}
