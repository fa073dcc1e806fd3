package history

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"memvip/agent/core"
	"memvip/agent/layout"
)

const (
	timeLayout = "15:04:05.000"
	dateLayout = "Mon 2006-01-02, times in MST"
	columnGap  = "  "
	hangIndent = 4 // of the lines after the first, where columns leave no room for sentences
)

// Render writes entries for people, in the order given: when, on which node, for which VIP, and what
// happened. Times are in the reader's time zone, which the line that begins a day names; each is by its own
// node's clock. No line is wider than width, in columns, unless a single word does not fit. The error is that
// of the writer.
func Render(out io.Writer, entries []Entry, width int, color bool) error {
	p := page{width: width, color: color}
	p.measure(entries)
	day := ""
	for _, e := range entries {
		if d := e.Time.Local().Format(dateLayout); d != day {
			day = d
			p.add(layout.Wrap(day, width, 0), layout.Faint)
		}
		p.entry(e)
	}
	_, err := io.WriteString(out, p.text.String())
	return err
}

// page is what is being written, and how wide its columns are.
type page struct {
	width     int
	color     bool
	nodeWidth int
	vipWidth  int
	text      strings.Builder
}

func (p *page) measure(entries []Entry) {
	for _, e := range entries {
		p.nodeWidth = max(p.nodeWidth, utf8.RuneCountInString(layout.Printable(e.Node)))
		p.vipWidth = max(p.vipWidth, utf8.RuneCountInString(vipCell(e)))
	}
}

// vipCell is an entry's VIP as far as it has one: the slot of hand-backs is named in the sentence.
func vipCell(e Entry) string {
	if e.VIP == "" || e.VIP == string(core.HandbackSlot) {
		return "-"
	}
	return layout.Printable(e.VIP)
}

// entry writes an entry, with its sentence in a column of its own where that is at least half the width.
func (p *page) entry(e Entry) {
	head := fmt.Sprintf("%s%s%-*s%s%-*s%s", e.Time.Local().Format(timeLayout), columnGap,
		p.nodeWidth, layout.Printable(e.Node), columnGap, p.vipWidth, vipCell(e), columnGap)
	indent := utf8.RuneCountInString(head)
	if 2*indent > p.width {
		p.add(layout.Wrap(head+e.Sentence(), p.width, hangIndent), styleOf(e))
		return
	}
	for i, line := range layout.Wrap(e.Sentence(), p.width-indent, 0) {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		p.text.WriteString(head + layout.Painted(line, styleOf(e), p.color) + "\n")
	}
}

func (p *page) add(lines []string, s layout.Style) {
	for _, line := range lines {
		p.text.WriteString(layout.Painted(line, s, p.color) + "\n")
	}
}

// styleOf has good news, bad news, what ends a service as planned, and the steps between.
func styleOf(e Entry) layout.Style {
	if e.Kind != KindChange {
		return layout.Warning
	}
	switch core.Cause(e.Cause) {
	case core.CauseLeaseLost, core.CauseInstanceDown, core.CauseLinkDown, core.CauseAddress, core.CauseStateLost,
		core.CauseSameName, core.CauseForeignHost, core.CauseMemberConflict:
		return layout.Bad
	default: // by what became of it
	}
	switch e.To {
	case core.Holding.String(), "up", "clean", "disk_ok":
		return layout.Good
	case core.Dropping.String(), "restarting", "refused", core.RefusalWord:
		return layout.Warning
	case "disk_broken":
		return layout.Bad
	case core.Idle.String(), core.Candidate.String(), core.Taking.String():
		return layout.Faint
	}
	return layout.Plain
}
