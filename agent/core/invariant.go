package core

// check asserts what must hold after every step, in production too. A broken one is a fault of ours:
// it stops the agent, its cleanup drops the addresses, and a peer takes over.
func (m *Machine) check() {
	for _, l := range m.all {
		m.checkLease(l)
	}
	if m.voter == nil {
		return
	}
	for _, s := range m.voter.all {
		checkSlot(s, m.now, m.woke)
	}
}

func checkSlot(s *slot, now, woke Instant) {
	switch g := &s.grant; {
	case !g.given():
	case g.length > LeaseMax:
		broken("%s: granted for %s", s.vip.Name, g.length)
	case g.expires <= now:
		broken("%s: grant outlived its end", s.vip.Name)
	case g.expires < woke:
		broken("%s: nobody is woken for the end of its grant", s.vip.Name)
	case s.reserved.given():
		broken("%s: granted and reserved at once", s.vip.Name)
	}
}

func (m *Machine) checkLease(l *lease) {
	has := l.held()
	switch {
	case has && l.validUntil <= m.now:
		broken("%s: %s without a valid lease", l.name, l.role)
	case has && l.validUntil < m.woke:
		broken("%s: nobody is woken for the end of its lease", l.name)
	case !has && l.validUntil != 0:
		broken("%s: validity while %s", l.name, l.role)
	case l.role != Dropping && (l.role == Idle) == l.term.Known():
		broken("%s: term %s while %s", l.name, l.term, l.role)
	}
	if n := len(l.claims); n > 0 { // in the order of their numbers, so that first and last stand for all
		if first, last := l.claims[0].counter, l.claims[n-1].counter; first <= l.counted || last > m.counter {
			broken("%s: requests %d to %d counted beside %d", l.name, first, last, l.counted)
		}
	}
	if l.site != nil && has {
		m.checkHeld(l)
	}
}

// checkHeld asserts what must hold of a VIP that this node has.
func (m *Machine) checkHeld(l *lease) {
	served := l.site.record().Served
	switch {
	case served != l.term:
		broken("%s: held term %s, recorded %s", l.name, l.term, served)
	case l.role == Holding && !(l.take.recorded && l.checked):
		broken("%s: held without record or check", l.name)
	case l.take.ordered && l.take.recordIn > m.journal.saved:
		broken("%s: address ordered before its record was saved", l.name)
	}
}
