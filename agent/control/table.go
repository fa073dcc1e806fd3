package control

import (
	"strings"
	"unicode/utf8"

	"memvip/agent/layout"
)

// cell is one field of a table.
type cell struct {
	text  string
	style layout.Style
}

// table is a heading and rows, all of one length. A column that does not shrink is never cut.
type table struct {
	heading []string
	fixed   []bool
	rows    [][]cell
}

const (
	columnGap      = 2
	columnWidthMin = 6 // a column that has to shrink stays at least so wide
)

// lines lays the table out in at most width columns where its fixed columns allow that.
func (t table) lines(width int, color bool) []string {
	widths := t.widths(width)
	heading := make([]cell, len(t.heading))
	for i, h := range t.heading {
		heading[i] = cell{h, layout.Faint}
	}
	out := []string{row(heading, widths, color)}
	for _, r := range t.rows {
		out = append(out, row(r, widths, color))
	}
	return out
}

// widths gives every column what it needs, and then takes from the widest that may shrink.
func (t table) widths(width int) []int {
	widths := make([]int, len(t.heading))
	total := columnGap * (len(widths) - 1)
	for i, h := range t.heading {
		widths[i] = utf8.RuneCountInString(h)
		for _, r := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(layout.Printable(r[i].text)))
		}
		total += widths[i]
	}
	for ; total > width; total-- {
		widest := -1
		for i, w := range widths {
			if !t.fixed[i] && w > columnWidthMin && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func row(cells []cell, widths []int, color bool) string {
	var b strings.Builder
	for i, c := range cells {
		text := cut(layout.Printable(c.text), widths[i])
		b.WriteString(layout.Painted(text, c.style, color))
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+columnGap))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// cut shortens a text and shows that it did.
func cut(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "~"
}
