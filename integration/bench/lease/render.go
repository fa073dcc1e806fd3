package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// render is the report, in Markdown.
func render(r record) string {
	var b strings.Builder
	b.WriteString("## How short a lease stays safe\n\n")
	if len(r.Slices) == 0 {
		b.WriteString("Nothing was measured yet.\n")
		return b.String()
	}
	points := curve(r.Slices)
	leases := leasesOf(points)
	b.WriteString(intro)
	fmt.Fprintf(&b, "\nMachine: %s. Agent %s, memcached %s; three hosts with a VIP each. Measured %s.\n",
		r.Machine, r.Build, r.Memcached, days(r.Slices))
	fmt.Fprintf(&b, "Load average while measuring: %s. Lease-hours per cell: %s.\n", loads(r.Slices), hours(points))
	for _, c := range classes {
		if slices.ContainsFunc(r.Slices, func(s slice) bool { return s.Class == c }) {
			fmt.Fprintf(&b, "\n### %s\n\n", capital(c.what()))
			b.WriteString("Leases lost per lease and hour (in parentheses, the rate that it is below with 95 % certainty):\n\n")
			table(&b, c, leases, points, lostCell)
			b.WriteString("\nShare of the lease that was left at a renewal, at least: in all but one in 1,000, and in all:\n\n")
			table(&b, c, leases, points, leftCell)
		}
	}
	b.WriteString("\n" + moves(leases, points))
	b.WriteString(legend())
	b.WriteString(garbage(points))
	b.WriteString("\n" + adviceText(advise(points, leases)))
	b.WriteString("\n" + repeat(points, leases))
	return b.String()
}

// repeat says which command measures this again, and which writes it again.
func repeat(points map[cell]point, leases []time.Duration) string {
	var lengths, of []string
	for _, l := range leases {
		lengths = append(lengths, fmt.Sprint(l.Milliseconds()))
	}
	least := math.Inf(1)
	for c, p := range points {
		of, least = append(of, string(c.Class)), min(least, p.hours/hosts*60)
	}
	slices.Sort(of)
	text := "Repeat: `make bench-lease BENCH='-leases " + strings.Join(lengths, ",")
	if of = slices.Compact(of); len(of) < len(classes) {
		text += " -class " + of[0]
	}
	return text + fmt.Sprintf(" -minutes %.2g'` as root on a quiet machine; it goes on where it was stopped. Without flags it measures more lengths and both classes, for about 16 hours. "+
		"To write this section from its figures: `make bench-lease BENCH='-report -data integration/bench/measured/lease.json'`.\n", least)
}

const intro = `Nothing fails in these runs: every lease that ended unrenewed ended falsely, and cost its VIP a move. A holder renews
every quarter of a lease. What is left of the lease when a renewal is confirmed tells how much later it could have been.
`

// leasesOf are the lengths that were measured, the shortest first.
func leasesOf(points map[cell]point) []time.Duration {
	var all []time.Duration
	for c := range points {
		all = append(all, time.Duration(c.Lease)*time.Millisecond)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// table writes one of a class: a line for each stress, a column for each lease.
func table(b *strings.Builder, c class, leases []time.Duration, points map[cell]point, text func(point) string) {
	b.WriteString("| stress |")
	for _, l := range leases {
		fmt.Fprintf(b, " %d ms |", l.Milliseconds())
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(leases)) + "\n")
	for _, s := range stresses {
		line, any := "| "+s.name+" |", false
		for _, l := range leases {
			p, ok := points[cellOf(l, c, s)]
			if any = any || ok; ok {
				line += " " + text(p) + " |"
			} else {
				line += " - |"
			}
		}
		if any {
			b.WriteString(line + "\n")
		}
	}
}

func lostCell(p point) string {
	if p.lost == 0 {
		return fmt.Sprintf("0 (< %s)", figure(p.bound()))
	}
	return fmt.Sprintf("%s (< %s)", figure(p.perHour()), figure(p.bound()))
}

func leftCell(p point) string {
	return fmt.Sprintf("%.2f / %.2f", p.leftAt(allButOneInK), p.leftAt(everyOne))
}

// figure shows two digits at least.
func figure(f float64) string {
	if f < 9.95 {
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

func legend() string {
	var b strings.Builder
	for _, s := range stresses {
		fmt.Fprintf(&b, "- %s: %s%s\n", s.name, s.what, map[bool]string{false: " (more than a lease has to bear)"}[s.daily])
	}
	return b.String()
}

// moves tells where VIPs moved more often than leases were lost: their memcached did not answer in time.
func moves(leases []time.Duration, points map[cell]point) string {
	var b strings.Builder
	for _, c := range classes {
		for _, s := range stresses {
			for _, l := range leases {
				if p := points[cellOf(l, c, s)]; p.moves > p.lost {
					fmt.Fprintf(&b, "- %d ms, %s, %s: VIPs moved %d times with %d leases lost.\n", l.Milliseconds(), c, s.name, p.moves, p.lost)
				}
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "VIPs also moved for other reasons, such as a memcached that did not answer in time:\n\n" + b.String() + "\n"
}

// garbage tells how much of it was collected, so that its pressure is seen.
func garbage(points map[cell]point) string {
	most := map[bool]float64{}
	for _, s := range stresses {
		for _, p := range points {
			if p.Stress == s.name {
				most[s.gc] = max(most[s.gc], p.gcs)
			}
		}
	}
	return fmt.Sprintf("\nEach agent collected garbage up to %s times a second under gc, and up to %s times else.\n", figure(most[true]), figure(most[false]))
}

func adviceText(a advice) string {
	if !a.whole {
		return fmt.Sprintf("INCOMPLETE: not every lease has lived for %.2f hours under every stress that it has to bear, in the unit's class.\n", hoursMin)
	}
	switch {
	case a.kept == 0:
		return "No lease of these bore everything that it has to bear.\n"
	case a.roomy == 0:
		return fmt.Sprintf("The shortest lease that was never lost under what it has to bear: %s; none of them always left %.0f %% of itself.\n", a.kept, room*100)
	}
	return fmt.Sprintf("The shortest lease that was never lost under what it has to bear: %s. The shortest that also left %.0f %% of itself at every renewal is what this curve recommends: %s, "+
		"none lost in %s lease-hours under these stresses together, so fewer than %s in a hundred.\n",
		a.kept, room*100, a.roomy, figure(a.hours), figure(100*point{hours: a.hours}.bound()))
}

func days(all []slice) string {
	first, last := all[0].Begun.UTC().Format(time.DateOnly), all[len(all)-1].Begun.UTC().Format(time.DateOnly)
	if first == last {
		return first
	}
	return first + " to " + last
}

func loads(all []slice) string {
	low, high := all[0].Load, all[0].Load
	for _, s := range all {
		low, high = min(low, s.Load), max(high, s.Load)
	}
	return fmt.Sprintf("%.1f to %.1f", low, high)
}

func hours(points map[cell]point) string {
	low, high := -1.0, 0.0
	for _, p := range points {
		if low < 0 || p.hours < low {
			low = p.hours
		}
		high = max(high, p.hours)
	}
	return fmt.Sprintf("%.2f to %.2f", low, high)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
