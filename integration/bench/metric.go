package main

import "fmt"

// metric is one column by which contenders are compared. Less is better in all of them.
type metric struct {
	name string
	of   func(row) summary
	unit string // behind its figures; "" for a count
}

var (
	firstARP      = metric{"first ARP", func(r row) summary { return r.FirstARP }, " ms"}
	openOutage    = metric{"outage, open loop", func(r row) summary { return r.Outage }, " ms"}
	closedOutage  = metric{"outage, closed loop", func(r row) summary { return r.Closed }, " ms"}
	patientOutage = metric{"outage, patient", func(r row) summary { return r.Patient }, " ms"}
	openFailed    = metric{"failed, open loop", func(r row) summary { return r.Failed }, ""}
	closedFailed  = metric{"failed, closed loop", func(r row) summary { return r.ClosedFailed }, ""}
)

// compared are the metrics of the table of ratios.
var compared = []metric{firstARP, openOutage, closedOutage, patientOutage, openFailed, closedFailed}

// figure is the metric's median with its unit.
func (m metric) figure(s summary) string {
	if s.N == 0 {
		return "unknown"
	}
	return figure(s.Median) + m.unit
}

// ratio is how our median compares with theirs: below 1 we are ahead. Two that are 0 are equal. It is unknown without
// figures of both, and has no number where theirs alone is 0.
type ratio struct {
	value    float64
	known    bool
	infinite bool
}

func ratioOf(ours, theirs summary) ratio {
	switch {
	case ours.N == 0 || theirs.N == 0:
		return ratio{}
	case theirs.Median == 0 && ours.Median == 0:
		return ratio{value: 1, known: true}
	case theirs.Median == 0:
		return ratio{known: true, infinite: true}
	}
	return ratio{value: float64(ours.Median / theirs.Median), known: true}
}

// within reports whether a known ratio keeps to a limit.
func (r ratio) within(limit float64) bool { return r.known && !r.infinite && r.value <= limit }

func (r ratio) String() string {
	switch {
	case !r.known:
		return "-"
	case r.infinite:
		return "∞"
	case r.value >= 10:
		return fmt.Sprintf("%.0f", r.value)
	case r.value < 0.1:
		return fmt.Sprintf("%.3f", r.value)
	}
	return fmt.Sprintf("%.2f", r.value)
}
