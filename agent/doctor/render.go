package doctor

import (
	"fmt"
	"io"
	"strings"

	"memvip/agent/layout"
)

// widthMin is the least that Render keeps to; a narrower terminal breaks the lines itself.
const widthMin = 60

// Render writes findings for people, the worst first: what, why it matters, how to mend it; and in the last line their
// count. What is fine is left out unless verbose. No line is wider than width (at least 60) unless a word alone is,
// save those that mend: they are to be copied, and stand on a line of their own. The error is that of the writer.
func Render(out io.Writer, findings []Finding, width int, color, verbose bool) error {
	p := page{width: max(width, widthMin), color: color, nodes: severalNodes(findings)}
	for _, f := range sorted(findings) {
		if f.Severity != OK || verbose {
			p.finding(f)
		}
	}
	if len(p.lines) > 0 {
		p.lines = append(p.lines, "")
	}
	p.text(summary(findings), 0, 2, paintOf(Worst(findings)))
	_, err := io.WriteString(out, strings.Join(p.lines, "\n")+"\n")
	return err
}

// page collects lines.
type page struct {
	width int
	color bool
	nodes bool // each finding says where it was seen
	lines []string
}

func (p *page) text(text string, margin, indent int, paint layout.Style) {
	for _, line := range layout.Wrap(text, p.width-margin, indent) {
		p.lines = append(p.lines, strings.Repeat(" ", margin)+layout.Painted(line, paint, p.color))
	}
}

func (p *page) finding(f Finding) {
	what := mark(f.Severity) + " "
	if p.nodes && f.Node != "" {
		what += f.Node + ": "
	}
	p.text(what+f.What, 0, 2, paintOf(f.Severity))
	if f.Why != "" {
		p.text("why: "+f.Why, 2, 5, layout.Plain)
	}
	if f.Mend != "" {
		p.lines = append(p.lines, "  mend: "+onOneLine(f.Mend))
	}
}

// onOneLine keeps what was told by others from acting on a terminal, and breaks nothing.
func onOneLine(text string) string {
	return strings.Join(layout.Wrap(text, len(text)+1, 0), " ")
}

func paintOf(s Severity) layout.Style {
	switch s {
	case Failure:
		return layout.Bad
	case Warning, Unknown:
		return layout.Warning
	case OK:
		return layout.Faint
	}
	return layout.Plain
}

// mark begins a finding; status marks its problems alike.
func mark(s Severity) string {
	switch s {
	case Failure:
		return "!"
	case Warning:
		return "*"
	case OK:
		return "-"
	case Unknown:
	}
	return "?"
}

func severalNodes(findings []Finding) bool {
	for _, f := range findings {
		if f.Node != findings[0].Node {
			return true
		}
	}
	return false
}

func summary(findings []Finding) string {
	by := map[Severity]int{}
	for _, f := range findings {
		by[f.Severity]++
	}
	var parts []string
	if n := by[Failure]; n > 0 {
		parts = append(parts, count(n, "failure"))
	}
	if n := by[Warning]; n > 0 {
		parts = append(parts, count(n, "warning"))
	}
	if n := len(findings) - by[Failure] - by[Warning] - by[OK]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d could not be looked at", n))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("all is fine: %s", count(by[OK], "check"))
	}
	return strings.Join(parts, ", ") + fmt.Sprintf("; %d of %s fine", by[OK], count(len(findings), "check"))
}
