package main

import (
	"strings"
	"unicode/utf8"
)

// table is written in Markdown, with columns that line up, so that it reads as well where nothing renders it.
type table struct {
	head []string
	left int // so many columns are words, and begin at their left; the others are figures
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t table) String() string {
	width := make([]int, len(t.head))
	for _, r := range append([][]string{t.head}, t.rows...) {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	t.line(&b, width, t.head)
	for i, w := range width {
		if i < t.left {
			b.WriteString("| :" + strings.Repeat("-", w-1) + " ")
		} else {
			b.WriteString("| " + strings.Repeat("-", w-1) + ": ")
		}
	}
	b.WriteString("|\n")
	for _, r := range t.rows {
		t.line(&b, width, r)
	}
	return b.String()
}

func (t table) line(b *strings.Builder, width []int, cells []string) {
	for i, cell := range cells {
		space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
		if i < t.left {
			b.WriteString("| " + cell + space + " ")
		} else {
			b.WriteString("| " + space + cell + " ")
		}
	}
	b.WriteString("|\n")
}
