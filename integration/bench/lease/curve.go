package main

import (
	"math"
	"time"
)

// point is what all slices of one combination showed.
type point struct {
	cell
	hours   float64 // of leases: the time, times the VIPs
	lost    int
	moves   int
	renewed int
	left    []share // what renewals left; a lease that was lost counts as one that left nothing
	gcs     float64 // collections of garbage, per second and agent
}

// curve sums slices up.
func curve(slices []slice) map[cell]point {
	points := map[cell]point{}
	seconds, gcs := map[cell]float64{}, map[cell]int{}
	for _, s := range slices {
		p := points[s.cell]
		p.cell = s.cell
		p.hours += s.Seconds / time.Hour.Seconds() * hosts
		p.lost, p.moves = p.lost+s.Lost, p.moves+s.Moves
		p.left = plus(p.left, append([]share{{0, s.Lost}}, s.Left...))
		for _, x := range s.Left {
			p.renewed += x.Count
		}
		seconds[s.cell] += s.Seconds
		gcs[s.cell] += s.Collections
		p.gcs = float64(gcs[s.cell]) / hosts / seconds[s.cell]
		points[s.cell] = p
	}
	return points
}

// perHour is how many leases were lost, per hour that one lived.
func (p point) perHour() float64 { return float64(p.lost) / p.hours }

// bound is the rate that is exceeded with a probability of 5 % only, for the count that was seen: 3/T where it
// is zero, and Wilson and Hilferty's approximation of the exact bound above.
func (p point) bound() float64 {
	if p.lost == 0 {
		return 3 / p.hours
	}
	const quantile = 1.645 // of the normal distribution, 95 %
	n := float64(p.lost + 1)
	return n * math.Pow(1-1/(9*n)+quantile/(3*math.Sqrt(n)), 3) / p.hours
}

// leftAt is the share of the lease that all but so many of a million renewals left at least.
func (p point) leftAt(millionth int) float64 {
	total := 0
	for _, x := range p.left {
		total += x.Count
	}
	allowed := total * millionth / 1_000_000
	for _, x := range p.left {
		if allowed -= x.Count; allowed < 0 {
			return x.Least
		}
	}
	return 0
}

// Shares of renewals that are printed: all, and all but one in a thousand.
const (
	everyOne     = 0
	allButOneInK = 1000
)

// room is the least share of a lease that has to be left at every renewal of one that is recommended: the next one may
// come that much later without harm.
const room = 0.2

// advice is what the curve says.
type advice struct {
	kept  time.Duration // the shortest lease that lost nothing under any daily stress; 0: none
	roomy time.Duration // the shortest such that always left room; 0: none
	hours float64       // that the latter lived under all daily stresses together
	whole bool          // all daily stresses were looked at for long enough, with every lease
}

// hoursMin is the time that says something: three VIPs for five minutes.
const hoursMin = 0.25

// advise judges the leases in the class of the unit.
func advise(points map[cell]point, leases []time.Duration) advice {
	a := advice{whole: true}
	for _, lease := range leases { // the shortest first
		kept, roomy, hours := true, true, 0.0
		for _, s := range stresses {
			if !s.daily {
				continue
			}
			p := points[cellOf(lease, unitClass, s)]
			a.whole = a.whole && p.hours >= hoursMin
			hours += p.hours
			kept = kept && p.hours > 0 && p.lost == 0
			roomy = roomy && p.leftAt(everyOne) >= room
		}
		if kept && a.kept == 0 {
			a.kept = lease
		}
		if kept && roomy && a.roomy == 0 {
			a.roomy, a.hours = lease, hours
		}
	}
	return a
}
