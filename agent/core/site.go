package core

import (
	"cmp"
	"slices"
)

// site is one VIP as it stands on this node: as configured, and what the node knows of it beside its lease.
type site struct {
	VIP
	lease    *lease
	in       *instance // that serves it here; nil on a witness
	coming   coming
	own      bool   // this node is its home
	excluded bool   // this node is not among its candidates
	linkDown bool   // its interface is not usable
	stuck    string // why the kernel refused its address; "" if it did not

	restores       []Instant // when its address had to be put back, of late
	contestedUntil Instant   // left alone before: others removed it again and again
	contested      Standing  // meanwhile
	contestedWhy   string

	servedAt Instant // a voter granted it to another node that held it then; zero: never heard of
	freeAt   Instant // it was let go then, by this node or as a voter said; zero: never

	conflict conflict
	refusal  refusal
	kept     *ServiceRecord // of its values on its instance; nil if nothing is known
}

// furnish makes what the configuration speaks of: leases, sites and instances, each in order.
func (m *Machine) furnish() {
	m.names = numbered(m.cfg.VIPs)
	for i, v := range m.names.vips {
		l := &lease{name: v.Name, no: i}
		m.all, m.leases[v.Name] = append(m.all, l), l
		if v.Name == HandbackSlot {
			continue
		}
		s := &site{VIP: v, own: v.Home == m.cfg.Node, excluded: len(v.Candidates) > 0 && !slices.Contains(v.Candidates, m.cfg.Node)}
		l.site, s.lease = s, l
		m.sites = append(m.sites, s)
		if !m.cfg.Witness {
			s.in = m.furnishInstance(v.Instance)
			s.in.sites = append(s.in.sites, s)
		}
	}
}

// furnishInstance returns the instance of an address, made at its first mention.
func (m *Machine) furnishInstance(address string) *instance {
	if in := m.instances[address]; in != nil {
		return in
	}
	in := &instance{address: address}
	m.instances[address] = in
	m.caches = append(m.caches, in)
	slices.SortFunc(m.caches, func(a, b *instance) int { return cmp.Compare(a.address, b.address) })
	return in
}

// vip returns the site of a VIP; the hand-back slot has none.
func (m *Machine) vip(n Name) (*site, bool) {
	l := m.leases[n]
	if l == nil || l.site == nil {
		return nil, false
	}
	return l.site, true
}

// keepRecord takes a record of service in, in place of the one of the same VIP and instance. A proof is no stranger's: the
// same process may have another address as well, and serve the VIP by that (F21).
func (m *Machine) keepRecord(r *ServiceRecord) {
	if v, ok := m.vip(r.VIP); ok && v.Instance == r.Instance {
		v.kept = r
		return
	}
	r.Proof, r.Over = Proof{}, Term{}
	m.strangers[recordKey{r.VIP, r.Instance}] = r
}

// record returns what is known of a VIP's values on its instance; an empty record if nothing is.
func (v *site) record() *ServiceRecord {
	if v.kept != nil {
		return v.kept
	}
	return &ServiceRecord{VIP: v.Name, Instance: v.Instance}
}

// clean reports whether the VIP's instance is proved, in its present incarnation, to hold no old
// value of the VIP. No record is not clean, whatever the age of the process (F21).
func (v *site) clean() bool {
	in, r := v.in, v.kept
	return in != nil && in.up && r != nil && !r.Served.Known() && r.Proof.Incarnation == in.life && r.Proof.given()
}

// standing says whether this node may take a VIP, and if not, the first reason.
func (m *Machine) standing(v *site) Standing {
	in := v.in
	switch {
	case v.excluded:
		return Excluded
	case m.cfg.Witness:
		return NoInstance
	case m.stopping:
		return Stopping
	case m.draining:
		return Draining
	case m.journal.err != "":
		return DiskBroken
	case !in.known:
		return InstanceUnknown
	case !in.up:
		return InstanceDown
	case in.unprovable != "":
		return Unprovable
	case m.now < in.undrainedUntil:
		return ConnectionsLeft
	case in.stage == FlushRunning || in.stage == FlushRestarting:
		return InstanceFlushing
	case v.linkDown:
		return LinkDown
	case v.stuck != "":
		return AddressStuck
	case m.now < v.contestedUntil:
		return v.contested
	case m.now < v.conflict.blockedUntil:
		return ForeignHost
	case !m.quorate():
		return NotQuorate
	}
	return Eligible
}

// linkChanged notes whether a VIP's interface is usable; a holder without one lets go.
func (m *Machine) linkChanged(e LinkChanged) {
	l := m.leases[e.Name]
	if l == nil {
		return
	}
	if l.site != nil {
		l.site.linkDown = !e.Up
	}
	if !e.Up {
		m.vacate(l, CauseLinkDown)
	}
}
