package hooks

import "slices"

// waitingMax is how many events of one VIP may wait for its hook. A VIP that is claimed and released by turns more often
// than that, while one run hangs until it is killed, has been reported ill already.
const waitingMax = 16

// lane is what waits for one VIP, so that its hooks are run in their order.
type lane struct {
	waiting []Event // oldest first
	busy    bool    // one is being run
}

// put adds an event. Where there is no room, one is dropped: the oldest that does not say where the VIP is, or else the
// oldest. So the newest word on where it is always gets through.
func (l *lane) put(e Event) (dropped Event, full bool) {
	l.waiting = append(l.waiting, e)
	if len(l.waiting) <= waitingMax {
		return Event{}, false
	}
	i := max(0, slices.IndexFunc(l.waiting, func(e Event) bool { return e.Kind == Refusal || e.Kind == Conflict }))
	dropped = l.waiting[i]
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return dropped, true
}

// take returns the oldest event. Precondition: one waits.
func (l *lane) take() Event {
	e := l.waiting[0]
	l.waiting = l.waiting[1:]
	return e
}
