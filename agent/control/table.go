package control

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// style is what a colour would say; without colour nothing is lost.
type style int

const (
	plain style = iota
	good
	warning
	bad
	faint
)

func (s style) escape() string {
	switch s {
	case plain:
		return ""
	case good:
		return "\x1b[32m"
	case warning:
		return "\x1b[33m"
	case bad:
		return "\x1b[1;31m"
	case faint:
		return "\x1b[2m"
	}
	return ""
}

// cell is one field of a table.
type cell struct {
	text  string
	style style
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
		heading[i] = cell{h, faint}
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
			widths[i] = max(widths[i], utf8.RuneCountInString(printable(r[i].text)))
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
		text := cut(printable(c.text), widths[i])
		b.WriteString(painted(text, c.style, color))
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

func painted(text string, s style, color bool) string {
	if !color || s == plain || text == "" {
		return text
	}
	return s.escape() + text + "\x1b[0m"
}

// wrap breaks a text at blanks into lines of at most width columns; all but the first are indented. A
// word that is longer than a line stays whole, so that it can be copied.
func wrap(text string, width, indent int) []string {
	var out []string
	line, used := "", 0
	for _, word := range strings.Fields(printable(text)) {
		n := utf8.RuneCountInString(word)
		switch {
		case line == "" && len(out) == 0:
			line, used = word, n
		case used+1+n > width:
			out = append(out, line)
			line, used = strings.Repeat(" ", indent)+word, indent+n
		default:
			line, used = line+" "+word, used+1+n
		}
	}
	return append(out, line)
}

// printable keeps what a node, or a memcached, told from acting on a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
