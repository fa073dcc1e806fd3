package core

import "cmp"

// What an operator asks for. None of it touches a rule of sections 3 and 4: a move is a planned one to a node that
// may take the VIP, a pause only keeps homes from asking, and a flush begins where a proof would.

// Pause says whether hand-backs wait for an operator, in the whole cluster, and who said so last. Every node tells
// the newest that it knows, and takes over a newer one, so that it reaches all that it can reach and outlives
// whoever said it. Nodes that lost their state learn it from the others; only if all did is it forgotten.
type Pause struct {
	Number uint64 `json:"number"` // one more than the newest that its node knew
	On     bool   `json:"on"`
	By     string `json:"by"` // the node where it was said
}

// newerThan orders what was said at different nodes. Of two sayings at once the later name's counts.
func (p Pause) newerThan(o Pause) bool {
	return cmp.Or(cmp.Compare(p.Number, o.Number), cmp.Compare(p.By, o.By)) > 0
}

// pauseRequested takes an operator's word.
func (m *Machine) pauseRequested(on bool) {
	if m.pause.On != on {
		m.turnPause(Pause{m.pause.Number + 1, on, m.cfg.Node})
	}
}

// hearPause takes over what another node tells.
func (m *Machine) hearPause(p Pause) {
	if p.newerThan(m.pause) {
		m.turnPause(p)
	}
}

func (m *Machine) turnPause(p Pause) {
	if p.On != m.pause.On {
		m.emit(Transition{From: pauseWord(m.pause.On), To: pauseWord(p.On), Cause: CausePause, Peer: p.By})
	}
	m.pause, m.journal.dirty = p, true
}

func pauseWord(on bool) string {
	if on {
		return "paused"
	}
	return "resumed"
}

// move gives a VIP to a node that an operator named, if that one may take it as far as this one knows.
func (m *Machine) move(e MoveRequested) {
	v, ok := m.vip(e.Name)
	if !ok || v.lease.role != Holding || !m.mayTake(v, e.To) {
		m.count("move_refused")
		return
	}
	m.becomeDropping(v.lease, CauseMove, e.To)
}

// mayTake reports whether a node could be a VIP's next holder, by its newest word.
func (m *Machine) mayTake(v *site, node string) bool {
	h := m.states[node]
	if h == nil || m.now.Sub(h.at) >= m.fresh() {
		return false
	}
	c, ok := h.account(m.names).rate(v.VIP, v.lease.no, m.heardTerm(v.lease))
	return ok && c.clean
}

// handback has a home ask for its VIP whatever failback says, at once: the delay, what it is damped by and the pause
// after tries that failed are all there for want of an operator.
func (m *Machine) handback(n Name) {
	v, ok := m.vip(n)
	if !ok || !v.own {
		return
	}
	c := &v.coming
	c.asked, c.losses, c.nextTry, c.failed = true, nil, 0, 0
}

// flushAsked voids what is known of an instance for every VIP that this node has no part in, so that it is flushed
// and proved anew. What could have been continued cannot any more.
func (m *Machine) flushAsked(instance string) {
	in := m.instances[instance]
	if in == nil || in.stage == FlushRunning || in.stage == FlushRestarting {
		return
	}
	in.flushNotBefore, in.restartNotBefore = 0, 0
	for _, v := range in.sites {
		if v.lease.role != Idle || v.lease.leftover != 0 || v.kept == nil {
			continue
		}
		word := "warm"
		if v.clean() {
			word = "clean"
		}
		m.forget(v)
		m.emit(Transition{Name: v.Name, Instance: in.address, From: word, To: "tainted", Cause: CauseOperator})
	}
}
