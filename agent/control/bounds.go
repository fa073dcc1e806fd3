package control

import (
	"time"

	"memvip/agent/core"
)

// Settings are those of a configuration on which the time of a failover depends.
type Settings struct {
	Lease    time.Duration
	Drift    float64       // bound on the difference of clock rates, as a fraction
	Interval time.Duration // between probes
	Deadline time.Duration // of one probe
	Fall     int           // failed probes in a row that make memcached down
}

// Unfenced are the settings of a host without nftables: it claims with the longest of leases, so that they outlast an
// address which nobody refreshes (F12).
func (s Settings) Unfenced() Settings {
	s.Lease = core.LeaseMax
	return s
}

// Bounds are the longest outages that clients see, one failure at a time, on a LAN on which no packet
// is lost: a majority of voters is reached within RoundTrip, and a clean node is there to take over.
type Bounds struct {
	RoundTrip time.Duration // assumed, as is OnHost
	OnHost    time.Duration // assumed for two state files written and an address put up

	HostLost time.Duration // host dies or is cut off, or its agent dies and its VIPs are not served by it
	Hung     time.Duration // memcached hangs
	Exited   time.Duration // memcached exits, with the kernel's process connector
	Planned  time.Duration // drain, stop and hand-back
}

// What BoundsOf assumes. The least round trip that the lease protocol reckons with, and what a loaded
// host needs for the rest; the kernel reports an exit within a few milliseconds.
const (
	roundTripAssumed = 2 * time.Millisecond
	onHostAssumed    = 10 * time.Millisecond
	exitNoticed      = 5 * time.Millisecond
)

// outages is what a report says of the bounds.
func outages(s Settings) Outages {
	if s == (Settings{}) {
		return Outages{}
	}
	b := BoundsOf(s)
	return Outages{
		Lease: ms(s.Lease), RoundTrip: ms(b.RoundTrip), OnHost: ms(b.OnHost),
		HostLost: ms(b.HostLost), Hung: ms(b.Hung), Exited: ms(b.Exited), Planned: ms(b.Planned),
	}
}

// BoundsOf reckons the bounds of a configuration. A lease that was renewed right before the holder
// died runs out on the slowest voter's clock after lease x (1 + drift); one candidate that died with
// it costs a stagger; a hint, a claim and its grant are one round trip and a half. A hang right after
// a probe was answered is noticed once the next one is fall deadlines old, or intervals where those are longer; giving up
// and taking over is two round trips and a half.
func BoundsOf(s Settings) Bounds {
	b := Bounds{RoundTrip: roundTripAssumed, OnHost: onHostAssumed}
	move := b.RoundTrip*5/2 + b.OnHost
	b.HostLost = time.Duration(float64(s.Lease)*(1+s.Drift)) + b.RoundTrip*2 + core.Stagger(b.RoundTrip) + b.OnHost
	b.Hung = s.Interval + s.Deadline + time.Duration(s.Fall-1)*max(s.Interval, s.Deadline) + move
	b.Exited = exitNoticed + move
	b.Planned = move
	return b
}
