package core

// check asserts what must hold after every step, in production too. A broken one is a fault of ours:
// it stops the agent, its cleanup drops the addresses, and a peer takes over.
func (m *Machine) check() {
	for _, n := range m.names {
		m.checkLease(m.leases[n])
	}
	if m.voter == nil {
		return
	}
	for _, n := range m.voter.names {
		s := m.voter.slots[n]
		assert(!s.grant.given() || s.grant.length <= LeaseMax, "%s: granted for %s", n, s.grant.length)
		assert(!s.grant.given() || s.grant.expires > m.now, "%s: grant outlived its end", n)
		assert(!s.grant.given() || !s.reserved.given(), "%s: granted and reserved at once", n)
	}
}

func (m *Machine) checkLease(l *lease) {
	has := l.role == Taking || l.role == Holding
	assert(!has || l.validUntil > m.now, "%s: %s without a valid lease", l.name, l.role)
	assert(has || l.validUntil == 0, "%s: validity while %s", l.name, l.role)
	assert(l.role == Idle == !l.term.Known() || l.role == Dropping, "%s: term %s while %s", l.name, l.term, l.role)
	for _, c := range l.claims {
		assert(c.counter <= m.counter && c.counter > l.counted, "%s: request %d counted beside %d", l.name, c.counter, l.counted)
	}
	v, isVIP := m.vip(l.name)
	if !isVIP || !has {
		return
	}
	r := m.record(v)
	assert(r.Served == l.term, "%s: held term %s, recorded %s", l.name, l.term, r.Served)
	assert(l.role != Holding || l.take.recorded && l.take.checked, "%s: held without record or check", l.name)
	assert(!l.take.ordered || l.take.recordIn <= m.journal.saved, "%s: address ordered before its record was saved", l.name)
}
