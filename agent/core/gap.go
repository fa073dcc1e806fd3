package core

import "time"

// For how long nobody served a VIP is known for certain by nobody but its clients. The node that takes it knows what
// voters said of the former holder, and when it was told that the VIP is free; no decision rests on it.

// noteServed remembers which other node holds a VIP and when a voter last granted it, as far as that voter's newest
// answer tells. It is called when that answer came, and before another word takes its place. A grant that is armed for
// longer than a lease of ours does not tell when it was given.
func (m *Machine) noteServed(p *peer, l *lease) {
	e := &p.views[l.no]
	if l.site == nil || !e.Holding || e.Grantee == m.cfg.Node {
		return
	}
	l.before = e.Grantee
	if left := m.left(p, l); left > 0 && left <= m.cfg.Lease {
		l.site.servedAt = max(l.site.servedAt, p.viewedAt.Add(left-m.cfg.Lease))
	}
}

// noteFree remembers when this node was first told that a VIP is free. Before the lease of the holder is over, only a
// holder that let go makes a voter say so; afterwards it is no news.
func (m *Machine) noteFree(v *site) {
	if v.freeAt < v.servedAt && m.now.Sub(v.servedAt) < m.cfg.Lease-2*m.rtt() {
		v.freeAt = m.now
	}
}

// gap is for how long nobody has served a VIP that now goes up here: since it was let go, by this node or by one that
// voters told of, or else since voters last heard its holder. 0 if nothing is known: to a life that goes on within the
// lease of the one before it, for which there was none.
func (m *Machine) gap(l *lease) time.Duration {
	if l.site == nil {
		return 0
	}
	since := max(l.site.servedAt, l.site.freeAt)
	if since == 0 {
		return 0
	}
	return max(1, m.now.Sub(since))
}
