package main

import (
	"math"
	"testing"
	"time"
)

// The exact bounds are half of the chi-squared distribution's 95 % quantile with 2(n+1) degrees of freedom.
func TestBound(t *testing.T) {
	for lost, want := range map[int]float64{0: 3, 1: 4.74, 2: 6.30, 5: 10.51, 10: 16.96, 100: 118.1} {
		if got := (point{lost: lost, hours: 1}).bound(); math.Abs(got-want) > want*0.01 {
			t.Errorf("%d lost in an hour: below %.2f, want %.2f", lost, got, want)
		}
	}
	if got := (point{lost: 0, hours: 10}).bound(); got != 0.3 {
		t.Errorf("none in 10 hours: below %v, want 0.3", got)
	}
}

func TestLeftAt(t *testing.T) {
	p := point{left: []share{{0, 1}, {0.2, 0}, {0.3, 9}, {0.6, 9990}}}
	for millionth, want := range map[int]float64{0: 0, 99: 0, 100: 0.3, 999: 0.3, 1000: 0.6} {
		if got := p.leftAt(millionth); got != want {
			t.Errorf("all but %d of a million left %v, want %v", millionth, got, want)
		}
	}
	if got := (point{}).leftAt(everyOne); got != 0 {
		t.Errorf("no renewal left %v", got)
	}
}

func TestCurveAdds(t *testing.T) {
	c := cell{200, unitClass, "gc"}
	p := curve([]slice{
		{cell: c, Seconds: 1800, Lost: 1, Moves: 1, Left: []share{{0.5, 10}}, Collections: 3600 * hosts},
		{cell: c, Seconds: 1800, Lost: 2, Moves: 4, Left: []share{{0.25, 1}, {0.5, 9}}},
	})[c]
	if p.hours != hosts || p.lost != 3 || p.moves != 5 || p.renewed != 20 || p.perHour() != 1 || p.gcs != 1 || p.leftAt(everyOne) != 0 {
		t.Errorf("%+v", p)
	}
	if len(p.left) != 3 || p.left[0] != (share{0, 3}) {
		t.Errorf("lost leases left %v", p.left)
	}
}

// Advice is the shortest lease that nothing was lost with, and that always left room.
func TestAdvise(t *testing.T) {
	leases := []time.Duration{200 * time.Millisecond, 300 * time.Millisecond, 400 * time.Millisecond}
	points := map[cell]point{}
	for _, l := range leases {
		for _, s := range stresses {
			c := cellOf(l, unitClass, s)
			points[c] = point{cell: c, hours: 1, left: []share{{0.5, 100}}}
		}
	}
	change := func(lease time.Duration, stress string, p point) {
		for _, s := range stresses {
			if s.name == stress {
				points[cellOf(lease, unitClass, s)] = p
			}
		}
	}
	change(leases[0], "cpu", point{hours: 1, lost: 1, left: []share{{0, 1}, {0.5, 100}}})
	change(leases[1], "gc", point{hours: 1, left: []share{{0.15, 1}, {0.5, 100}}})
	change(leases[2], "loss-20", point{hours: 1, lost: 9, left: []share{{0, 9}}}) // more than it has to bear
	if got, want := advise(points, leases), (advice{kept: leases[1], roomy: leases[2], hours: 6, whole: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	change(leases[2], "none", point{hours: hoursMin / 2, left: []share{{0.5, 100}}})
	if got := advise(points, leases); got.whole {
		t.Errorf("%+v of a curve that has hardly been looked at", got)
	}
	if got := advise(nil, leases); got.whole || got.kept != 0 {
		t.Errorf("%+v of nothing", got)
	}
}
