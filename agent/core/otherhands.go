package core

import (
	"slices"
	"time"
)

// Other hands on a held address: it is put back, and where that does not help it goes to a host where nobody
// takes it away.

// Somebody who removes an address more often than restoresMax times within restoresWindow goes on doing so. The
// VIP moves, and this node does not take it for contestedRest. What happens within restoresApart is once:
// `ip address flush` looks up to ten times whether something is left.
const (
	restoresMax    = 3
	restoresWindow = 10 * time.Second
	restoresApart  = time.Second
	contestedRest  = time.Minute
)

// addressGone has a held address put back.
func (m *Machine) addressGone(e AddressGone) {
	if l := m.leases[e.Name]; l != nil && l.role == Holding && l.site != nil {
		m.emit(ProlongAddress{Name: l.name, Until: l.validUntil, Gone: true})
	}
}

// addressRestored counts how often that was necessary.
func (m *Machine) addressRestored(e AddressRestored) {
	l := m.leases[e.Name]
	if l == nil || l.role != Holding || l.site == nil {
		return
	}
	m.count("address_restored")
	v := l.site
	v.restores = slices.DeleteFunc(v.restores, func(t Instant) bool { return m.now.Sub(t) > restoresWindow })
	if n := len(v.restores); n > 0 && m.now.Sub(v.restores[n-1]) < restoresApart {
		return
	}
	v.restores = append(v.restores, m.now)
	if len(v.restores) > restoresMax {
		m.leaveAlone(v, OtherHands, "somebody removes it from its link again and again")
	}
}

// addressLost gives an address away that cannot be kept served here.
func (m *Machine) addressLost(e AddressLost) {
	if l := m.leases[e.Name]; l != nil && l.role == Holding && l.site != nil {
		m.leaveAlone(l.site, AddressStuck, e.Err)
	}
}

// leaveAlone gives a held address away and does not take it for a while, which has that standing.
func (m *Machine) leaveAlone(v *site, standing Standing, why string) {
	v.restores, v.contestedUntil, v.contested, v.contestedWhy = nil, m.now.Add(contestedRest), standing, why
	m.emit(Transition{Name: v.Name, From: "up", To: "left_alone", Cause: CauseAddress, Detail: why})
	m.vacate(v.lease, CauseAddress)
}
