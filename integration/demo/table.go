package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// row is what one step came to.
type row struct {
	step, what string

	// moved says that a VIP changed hands; only then do the next three mean anything.
	moved     bool
	outage    time.Duration // of that VIP: last success to first success
	firstARP  time.Duration // gratuitous, by the new holder; meaningful only if announced
	announced bool

	// Of all VIPs, for the whole length of the step.
	counted bool // or else nothing was served yet, and the next two mean nothing
	failed  int
	longest time.Duration // without any answer through one VIP, though the machine let the client ask
	stale   int
	doubled time.Duration // two hosts answered for one VIP
}

// width is what every line keeps to.
const width = 80

const columnGap = 2

// column is one of the table's columns. A heading may have two lines.
type column struct {
	heading [2]string
	right   bool
	cell    func(row) string
}

var columns = []column{
	{heading: [2]string{"", "STEP"}, cell: func(r row) string { return r.step }},
	{heading: [2]string{"", "WHAT HAPPENED"}, cell: func(r row) string { return r.what }},
	{heading: [2]string{"OUTAGE", "ms"}, right: true, cell: func(r row) string { return figure(r.moved, r.outage) }},
	{heading: [2]string{"1st ARP", "ms"}, right: true, cell: func(r row) string { return figure(r.moved && r.announced, r.firstARP) }},
	{heading: [2]string{"FAILED", "ops"}, right: true, cell: failedCell},
	{heading: [2]string{"STALE", "reads"}, right: true, cell: func(r row) string { return strconv.Itoa(r.stale) }},
	{heading: [2]string{"2 HOSTS", "ms"}, right: true, cell: func(r row) string { return figure(true, r.doubled) }},
}

func failedCell(r row) string {
	if !r.counted {
		return "-"
	}
	return strconv.Itoa(r.failed)
}

// figure is a time in milliseconds, without its unit and no more exact than it is worth.
func figure(known bool, d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case !known:
		return "-"
	case d == 0:
		return "0"
	case ms < 99.95:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// tableLines lays the rows out, headings first. The one column that may be cut to keep a line within the
// width is what happened.
func tableLines(rows []row) []string {
	lines := make([][]string, 2, 2+len(rows))
	for _, c := range columns {
		lines[0] = append(lines[0], c.heading[0])
		lines[1] = append(lines[1], c.heading[1])
	}
	for _, r := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = c.cell(r)
		}
		lines = append(lines, cells)
	}
	widths := columnWidths(lines)
	out := make([]string, len(lines))
	for i, cells := range lines {
		out[i] = lineOf(cells, widths)
	}
	return out
}

// whatColumn is the place of WHAT HAPPENED.
const whatColumn = 1

func columnWidths(lines [][]string) []int {
	widths := make([]int, len(columns))
	total := columnGap * (len(columns) - 1)
	for i := range columns {
		for _, cells := range lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		total += widths[i]
	}
	if over := total - width; over > 0 {
		widths[whatColumn] = max(widths[whatColumn]-over, 1)
	}
	return widths
}

func lineOf(cells []string, widths []int) string {
	var b strings.Builder
	for i, text := range cells {
		if runes := []rune(text); len(runes) > widths[i] {
			text = string(runes[:widths[i]-1]) + "~"
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if columns[i].right {
			b.WriteString(pad + text)
		} else {
			b.WriteString(text + pad)
		}
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", columnGap))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
