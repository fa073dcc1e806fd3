package core

// stop begins the end of the agent's life. Of two requests the first counts: what is being given away is
// given away, and what was left up is the next life's.
func (m *Machine) stop(keep bool) {
	if m.stopping {
		return
	}
	m.stopping = true
	if !keep {
		m.giveAll(CauseStop)
		return
	}
	m.journal.dirty = true
	m.keptIn = m.pendingSave()
}

// keeping reports whether the node is on its way out with its addresses up. Then it only waits for its last
// save, and everything else is as if it were gone: no claim, no renewal, no address taken.
func (m *Machine) keeping() bool { return m.keptIn != 0 }

// leave ends the agent's life once a stop was asked for and carried out.
func (m *Machine) leave() {
	switch {
	case !m.stopping || m.exited:
	case m.keeping():
		m.leaveKeeping()
	case m.gaveAll():
		m.journal.dirty = m.journal.dirty || m.journal.soon != 0 // there will be no other occasion
		m.exited = true
		m.emit(Exit{})
	}
}

// leaveKeeping leaves once the state is saved, or cannot be: then the file holds an older one, as after a
// crash, and nothing that was promised is missing from it.
func (m *Machine) leaveKeeping() {
	if m.journal.saved < m.keptIn && m.journal.err == "" {
		return
	}
	m.exited = true
	m.emit(Exit{Kept: m.kept()})
}

// gaveAll reports whether every name is given up, and the voters know.
func (m *Machine) gaveAll() bool {
	for _, l := range m.all {
		if l.role != Idle {
			return false
		}
	}
	return len(m.releases) == 0
}

// kept lists the VIPs whose addresses are up, or about to be, and until when their leases last.
func (m *Machine) kept() []KeptRecord {
	var list []KeptRecord
	for _, l := range m.all {
		if up := l.take.ordered || l.leftover != 0; up && l.role != Dropping {
			list = append(list, KeptRecord{l.name, max(l.validUntil, l.leftover)})
		}
	}
	return list
}
