package lab

import (
	"fmt"
	"net/netip"
	"time"
)

// Report is what one fault did to one VIP, as client and watcher saw it together.
type Report struct {
	Outage

	// FirstARP is the time from Since to the first gratuitous ARP of another host than From; meaningful
	// only if Announced.
	FirstARP  time.Duration
	Announced bool

	// Doubled is how long two hosts or more certainly answered ARP within the window.
	Doubled time.Duration

	// Stalled is the longest time within the window that the client itself was held up by the machine: a
	// Gap of about that length says nothing.
	Stalled time.Duration
}

// Measure reports on [since, until]. The watcher may be nil.
func Measure(c *Client, w *Watcher, vip netip.Addr, since, until Instant) Report {
	r := Report{Outage: c.Outage(vip, since, until)}
	for _, s := range c.Stalls(since, until) {
		r.Stalled = max(r.Stalled, s.Length)
	}
	if w == nil {
		return r
	}
	r.Doubled = w.Doubled(vip, since, until)
	if a, ok := w.FirstAnnouncement(vip, since, r.From); ok && a.At <= until {
		r.FirstARP, r.Announced = a.At.Sub(since), true
	}
	return r
}

func (r Report) String() string {
	arp := "no announcement"
	if r.Announced {
		arp = fmt.Sprintf("announced after %.1f ms", ms(r.FirstARP))
	}
	return fmt.Sprintf("%s, %s, %.0f ms doubled in ARP, client stalled %.0f ms at most", r.Outage, arp, ms(r.Doubled), ms(r.Stalled))
}
