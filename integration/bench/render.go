package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Widths of the tables: a name, a count, then groups of figures. No line is longer than pageWidth.
const (
	pageWidth   = 100
	nameWidth   = 18
	runsWidth   = 4
	figureWidth = 6
	gap         = " "
)

// render is the whole output.
func render(r result) string {
	var b strings.Builder
	b.WriteString(renderHeader(r))
	rows := r.rows()
	if len(rows) == 0 {
		b.WriteString("\nno run was finished\n")
		return b.String()
	}
	b.WriteString("\n" + renderTimes(rows))
	b.WriteString("\n" + renderHarm(rows))
	b.WriteString("\n" + renderLegend(rows))
	b.WriteString("\n" + renderAims(rows, r.faults))
	b.WriteString("\n" + renderVerdict(r))
	return b.String()
}

// group is one heading over some columns.
type group struct {
	title   string
	columns []string
}

var timeGroups = []group{
	{"outage, open loop", []string{"median", "p95", "max"}},
	{"to first ARP", []string{"median", "p95", "max"}},
	{"to other host", []string{"median", "p95", "max"}},
	{"outage, closed loop", []string{"median", "p95", "max"}},
}

// renderTimes is the table of durations.
func renderTimes(rows []row) string {
	var b strings.Builder
	heading(&b, "milliseconds", timeGroups)
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s%*d", nameWidth, r.Fault, runsWidth, r.Runs)
		for _, s := range []summary{r.Outage, r.FirstARP, r.Moved, r.ClosedOutage} {
			b.WriteString(gap)
			figures(&b, s, s.Median, s.P95, s.Max)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

var harmGroups = []group{
	{"failed, open", []string{"median", "max"}},
	{"fail, closed", []string{"median", "max"}},
	{"2 hosts seen", []string{"median", "max"}},
	{"2 hosts, ARP", []string{"median", "max"}},
	{"gap go home", []string{"median", "max"}},
	{"", []string{"stale", "stall"}},
}

// renderHarm is the table of what clients suffered besides waiting.
func renderHarm(rows []row) string {
	var b strings.Builder
	heading(&b, "count or ms", harmGroups)
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s%*d", nameWidth, r.Fault, runsWidth, r.Runs)
		for _, s := range []summary{r.Failed, r.ClosedFailed} {
			b.WriteString(gap)
			counts(&b, s)
		}
		for _, s := range []summary{r.TwoHosts, r.Doubled, r.HomeGap} {
			b.WriteString(gap)
			figures(&b, s, s.Median, s.Max)
		}
		fmt.Fprintf(&b, "%s%*d", gap, figureWidth, r.Stale)
		figures(&b, r.Stall, r.Stall.Max)
		b.WriteByte('\n')
	}
	return b.String()
}

// heading writes the two lines above a table.
func heading(b *strings.Builder, unit string, groups []group) {
	titles := strings.Repeat(" ", nameWidth+runsWidth)
	for _, g := range groups {
		titles += fmt.Sprintf("%s%*s", gap, figureWidth*len(g.columns), g.title)
	}
	fmt.Fprintf(b, "%s\n%-*s%*s", strings.TrimRight(titles, " "), nameWidth, unit, runsWidth, "runs")
	for _, g := range groups {
		b.WriteString(gap)
		for _, c := range g.columns {
			fmt.Fprintf(b, "%*s", figureWidth, c)
		}
	}
	b.WriteByte('\n')
}

// figures writes durations, or dashes where there is nothing to sum up.
func figures(b *strings.Builder, s summary, values ...millis) {
	for _, v := range values {
		text := "-"
		if s.N > 0 {
			text = figure(v)
		}
		fmt.Fprintf(b, "%*s", figureWidth, text)
	}
}

func counts(b *strings.Builder, s summary) {
	for _, v := range []millis{s.Median, s.Max} {
		fmt.Fprintf(b, "%*s", figureWidth, strconv.FormatFloat(float64(v), 'f', -1, 64))
	}
}

// figure shows three digits at most before it drops the decimal.
func figure(v millis) string {
	if v == 0 {
		return "0"
	}
	if v < 99.95 {
		return fmt.Sprintf("%.1f", float64(v))
	}
	return fmt.Sprintf("%.0f", float64(v))
}

// renderLegend says what the names mean.
func renderLegend(rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s%s\n", nameWidth+1, r.Fault, r.What)
	}
	b.WriteString("\n")
	for _, note := range notes {
		b.WriteString(wrap(note, pageWidth, "  "))
	}
	return b.String()
}

// notes say how to read the tables.
var notes = []string{
	"outage: last success to first success, of the clients of the VIP that was struck. Both clients look at every run at the same time.",
	"to first ARP, to other host: from the fault to the first gratuitous ARP of another host than the holder, and to its first answer to the open loop; " +
		"in hand-back from the stand-in's last answer.",
	"failed: operations begun before the fault was healed. 2 hosts (seen by a client, by ARP) and stale: until the VIP was home again; stale: sum of both clients and all VIPs.",
	"gap go home: from the stand-in's last answer to the home's first, when the fault was over. stall: longest time in any run that the machine held up the client itself; an outage of that length says nothing.",
	"p95: nearest rank, so below 20 runs it is the maximum.",
}

// renderAims compares the medians with what is aimed at.
func renderAims(rows []row, all []fault) string {
	var b strings.Builder
	b.WriteString("aims for medians of the open loop, in ms (in parentheses keepalived, by a closed loop)\n")
	for _, r := range rows {
		for _, f := range all {
			if f.name == r.Fault && f.aim.outage > 0 {
				b.WriteString(aimLine(r, f.aim) + "\n")
			}
		}
	}
	return b.String()
}

func aimLine(r row, a aim) string {
	parts := []string{compare("outage", r.Outage, a.outage)}
	if a.firstARP > 0 {
		parts = append(parts, compare("first ARP", r.FirstARP, a.firstARP))
	}
	line := fmt.Sprintf("%-*s%s", nameWidth+1, r.Fault, strings.Join(parts, ", "))
	if a.keepalived != "" {
		line += fmt.Sprintf(" (%s)", a.keepalived)
	}
	return line
}

func compare(what string, s summary, aim time.Duration) string {
	limit := inMillis(aim)
	switch {
	case s.N == 0:
		return what + " unknown: MISSED"
	case s.Median < limit:
		return fmt.Sprintf("%s %s < %.0f: met", what, figure(s.Median), float64(limit))
	}
	return fmt.Sprintf("%s %s, not < %.0f: MISSED", what, figure(s.Median), float64(limit))
}

// renderVerdict says whether the promises were kept.
func renderVerdict(r result) string {
	var b strings.Builder
	if len(r.Samples) < r.Planned {
		fmt.Fprintf(&b, "INCOMPLETE: %d of %d runs\n", len(r.Samples), r.Planned)
	}
	for _, f := range r.problems() {
		b.WriteString(wrap(fmt.Sprintf("%s: %s", f.step, f.problem), pageWidth, "  "))
	}
	if n := len(r.broken()); n > 0 {
		fmt.Fprintf(&b, "BROKEN: %d times\n", n)
	} else {
		b.WriteString("kept: no stale read, no two hosts, every VIP served again and home again\n")
	}
	return b.String()
}

func (p problem) String() string {
	if p.breaks() {
		return "BROKEN: " + p.Text
	}
	return "noted: " + p.Text
}

// progressLine tells of one run.
func progressLine(s sample, done, planned int, spent time.Duration) string {
	line := fmt.Sprintf("[%d/%d] %s: %s", done, planned, s.stepName(), s.VIP)
	if !s.served() {
		return line + " not served again"
	}
	line += fmt.Sprintf(" %s to %s, outage %s (closed %s)", s.From, s.To, figure(s.Open.Outage), figure(s.Closed.Outage))
	if s.FirstARP != nil {
		line += ", ARP " + figure(*s.FirstARP)
	}
	if s.Open.Moved != nil {
		line += ", moved " + figure(*s.Open.Moved)
	}
	line += fmt.Sprintf(", failed %d, settled %.1f s, stall %s, load %.1f", s.Open.Failed, float64(s.Settled)/1000, figure(s.Open.Stall), s.Load)
	if left := planned - done; left > 0 && done > 0 {
		line += fmt.Sprintf("; %s left", (spent / time.Duration(done) * time.Duration(left)).Round(time.Second))
	}
	return line
}

func itoa(n int) string { return strconv.Itoa(n) }
