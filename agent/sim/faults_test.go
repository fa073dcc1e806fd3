package sim

// faults are the deliberate mistakes. The first are the variants that the models of the protocol were
// tried with.
var faults = []fault{
	{"grants forgotten at restart", "F4", []change{
		{"agent/core/voter.go", `if r.Grant.Node != "" {`, `if r.Grant.Node == "no such node" {`},
	}},
	{"no silence without a state file", "F4", []change{
		{"agent/core/voter.go", `v.silentUntil = now.Add(cfg.grow(LeaseMax))`, `v.silentUntil = now`},
	}},
	{"claims and releases without the incarnation's echo", "F1", []change{
		{"agent/core/voter.go", `case c.Echo != v.incarnation:`, `case false:`},
		{"agent/core/voter.go", `if r.Echo != v.incarnation {`, `if false {`},
	}},
	{"answers counted after the release", "F2", []change{
		{"agent/core/lease.go", `l.claims, l.counted = nil, max(l.counted, counter)`, `_ = counter`},
		{"agent/core/lease.go", `func (l *lease) supersede() { l.claims = nil }`, `func (l *lease) supersede() {}`},
	}},
	{"a refused renewal is released", "F3", []change{
		{"agent/core/peer.go", `m.count("renewal_" + e.Refused.String())`, `m.sendRelease(l, "")`},
	}},
	{"released before the address is down", "F3", []change{
		{"agent/core/holder.go", `	l.validUntil, l.leftover = 0, 0
	m.orderDrop(l)
`, `	l.validUntil, l.leftover = 0, 0
	m.sendRelease(l, successor)
	m.orderDrop(l)
`},
	}},
	{"released although the address stays up for the next life", "F3", []change{
		{"agent/core/stop.go", `	m.keptIn = m.pendingSave()
`, `	m.keptIn = m.pendingSave()
	for _, l := range m.all {
		if l.role == Holding {
			m.sendRelease(l, "")
		}
	}
`},
	}},
	{"epoch learned from renewals", "F7", []change{
		{"agent/core/voter.go", `|| !s.last.Known() && e.Kind == Continuation {`, `|| e.Kind != Renewal {`},
		{"agent/core/lease.go", `&& (c.kind != Fresh || c.matches() >= Majority(voters)) {`, `{`},
		{"agent/core/lease.go", `c.matches() < Majority(voters) && c.matches() < len(c.granted)`, `false`},
	}},
	{"continuity without the confirmed set", "F8", []change{
		{"agent/core/lease.go", `if id, ok := confirmed[voter]; ok && id == memory && last == served {`, `if _ = confirmed[voter]; last == served {`},
	}},
	{"voters that know nothing are left out of continuity", "F8", []change{
		{"agent/core/lease.go", `if id, ok := confirmed[voter]; ok && id == memory && last == served {`, `if id, ok := confirmed[voter]; ok && id == memory && last == served || !last.Known() {`},
	}},
	{"record of service written after the address is up", "F9", []change{
		{"agent/core/holder.go", `	m.journal.dirty = true
	l.take.recordIn = m.pendingSave()`, `	l.take.recorded = true`},
	}},
	{"a flush clears the records of VIPs that came up meanwhile", "F10", []change{
		{"agent/core/site.go", `case in.stage == FlushRunning || in.stage == FlushRestarting:`, `case in.stage == FlushRestarting:`},
		{"agent/core/gate.go", `if l.role != Idle || l.leftover != 0 || !counts(v) {`, `if l.leftover != 0 || !counts(v) {`},
	}},
	{"queued writes not waited for", "F11", []change{
		{"agent/core/gate.go", `Attempt: in.attempt, Drained: absent(in)`, `Attempt: in.attempt`},
		{"agent/core/holder.go", `Drained: undrained(l.site.in)})`, `})`},
	}},
	{"an instance that serves another VIP counts as clean", "taint model", []change{
		{"agent/core/site.go", `return in != nil && in.up && r != nil && !r.Served.Known()`, `serves := func(o *site) bool { return o != v && o.lease.role == Holding }
	return in != nil && in.up && slices.ContainsFunc(in.sites, serves) || in != nil && in.up && r != nil && !r.Served.Known()`},
	}},
	{"certificate of an old term", "F14", []change{
		{"agent/core/site.go", `r != nil && !r.Served.Known() && r.Proof`, `r != nil && r.Proof`},
		{"agent/core/holder.go", `VIP: v.Name, Instance: v.Instance, Served: l.term,`, `VIP: v.Name, Instance: v.Instance, Served: l.term, Proof: v.record().Proof,`},
	}},
	{"a release without order", "F15", []change{
		{"agent/core/voter.go", `if req.Compare(d.released) <= 0 {`, `if req.Compare(d.released) == 0 {`},
		{"agent/core/voter.go", `if s.grant.to.Node == node && s.grant.request.Compare(req) <= 0 {`, `if s.grant.to.Node == node {`},
	}},
	{"the fence written late", "F12", []change{
		{"agent/sim/kernel.go", `	if a.taking {
		return
	}
	h.order(v, h.between(20*us, 200*us), func() {
		if h.reads() >= lease.until {
			return
		}
		h.guard(v, h.left(lease))`, `	if a.taking {
		return
	}
	left := h.left(lease)
	h.order(v, h.between(20*us, 200*us), func() {
		h.guard(v, left)`},
	}},
	{"one name, two agents", "F6", []change{
		{"agent/core/voter.go", `if g := &s.grant; g.given() && g.to.Node == from.Node && g.to.Boot != from.Boot {`, `if g := &s.grant; g.given() && g.to.Node == "no such node" {`},
	}},
	{"a voter replaced in one step", "F13", []change{
		{"agent/core/voterlist.go", `if n <= 1 || len(inForce) == 0 {`, `if n <= 2 || len(inForce) == 0 {`},
	}},
	{"OK taken for a flush, quiet or not", "never stale", []change{
		{"agent/sim/memcached.go", `case touched > since:`, `case false:`},
		{"agent/sim/memcached.go", `case in.last != quietSince || in.now < in.busyTo:`, `case in.last < quietSince:`},
		{"agent/sim/memcached.go", `case in.count() == 0:`, `case true:`},
	}},
	{"any restart taken for a flush", "F21", []change{
		{"agent/core/gate.go", `empty, p := e.Figures.Restart, e.Figures`, `empty, p := true, e.Figures`},
	}},
	{"a tainted node claims", "never stale", []change{
		{"agent/core/candidate.go", `	case v.clean():
		m.becomeCandidate(l, Fresh, Term{}, cause)`, `	case true:
		m.becomeCandidate(l, Fresh, Term{}, cause)`},
		{"agent/core/candidate.go", `l.kind == Continuation || l.site.clean()`, `true`},
		{"agent/core/holder.go", `assert(check.Proof.given(), "%s: checked without a proof", l.name)`, `_ = l`},
	}},
	{"the instance not looked at before its address goes up", "never stale", []change{
		{"agent/core/holder.go", `	m.emit(check)
`, `	l.checked = true
`},
	}},
	{"a holder that counts on more than its voters gave", "the lease", []change{
		{"agent/core/lease.go", `c.at.Add(cfg.shrink(c.length)-cfg.Margin)`, `c.at.Add(c.length+cfg.Margin)`},
	}},
	{"an address kept when the lease is over", "the lease", []change{
		{"agent/core/holder.go", `if l.held() && m.now >= l.validUntil {`, `if l.role == Taking && m.now >= l.validUntil {`},
	}},
	{"a foreign host keeps nobody from a free VIP", "the lease", []change{
		{"agent/core/site.go", `case m.now < v.conflict.blockedUntil:`, `case false:`},
	}},
	{"MACs of members forgotten", "the lease", []change{
		{"agent/core/conflict.go", `m.macs[node] = known[max(0, len(known)-macsKept):]`, `_ = known`},
	}},
	{"restarted voters arm the length in their file", "F5", []change{
		{"agent/core/voter.go", `length: time.Duration(r.Length), expires: now.Add(LeaseMax)}`, `length: time.Duration(r.Length), expires: now.Add(time.Duration(r.Length) / 8)}`},
	}},
	{"a voter's new life goes on with the editions of the one before", "heartbeats", []change{
		{"agent/core/edition.go", `p.incarnation, p.knows, p.edition, p.heard = incarnation, 0, 0, false
		clear(p.views)`, `p.incarnation = incarnation`},
	}},
	{"what was not told anew taken for free", "heartbeats", []change{
		{"agent/core/edition.go", `	return lateFrom(m.cfg.Lease)
`, `	return 0
`},
	}},
	{"a state taken for known that is not", "heartbeats", []change{
		{"agent/core/voter.go", `	case n.knows(c.Life) != c.State.Version:
		return
`, ``},
		{"agent/core/peer.go", `if v := c.State.Version; p.knows == v {`, `if v := c.State.Version; p.knows != 0 {`},
	}},
}
