package vip

import "sync/atomic"

// Counts are what a Manager has done since it was opened.
type Counts struct {
	Announced      uint64 // bursts sent (each a request and a reply, or one neighbour advertisement)
	AnnounceFailed uint64 // bursts of which not every frame could be sent
	Withheld       uint64 // bursts due while the lease was over, so not sent
	Refreshed      uint64 // lifetimes started anew
	Restored       uint64 // held addresses that somebody else had removed, put back
	TooLate        uint64 // addresses removed because their lease was over after a write
	Destroyed      uint64 // TCP sockets destroyed
	FenceRestored  uint64 // times the fence's tables were put back after somebody else had changed them
	FenceClosed    uint64 // times the fence was closed for an address that it was open for
	Claims         uint64 // claims by others of watched addresses, told
	ClaimsLost     uint64 // claims of more different kinds than could be told
	Directed       uint64 // frames of announcements sent to one neighbour alone
	Tickled        uint64 // packets sent to clients of an address's former holder
	RecallFailed   uint64 // such frames and packets that the kernel did not take
}

type counts struct {
	announced, announceFailed, withheld, refreshed, restored, tooLate, destroyed, fenceRestored, fenceClosed, claims, claimsLost, directed, tickled, recallFailed atomic.Uint64
}

// Counts returns the counters; it works on a closed Manager, too.
func (m *Manager) Counts() Counts {
	return Counts{
		Announced:      m.counts.announced.Load(),
		AnnounceFailed: m.counts.announceFailed.Load(),
		Withheld:       m.counts.withheld.Load(),
		Refreshed:      m.counts.refreshed.Load(),
		Restored:       m.counts.restored.Load(),
		TooLate:        m.counts.tooLate.Load(),
		Destroyed:      m.counts.destroyed.Load(),
		FenceRestored:  m.counts.fenceRestored.Load(),
		FenceClosed:    m.counts.fenceClosed.Load(),
		Claims:         m.counts.claims.Load(),
		ClaimsLost:     m.counts.claimsLost.Load(),
		Directed:       m.counts.directed.Load(),
		Tickled:        m.counts.tickled.Load(),
		RecallFailed:   m.counts.recallFailed.Load(),
	}
}
