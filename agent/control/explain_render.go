package control

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"memvip/agent/history"
	"memvip/agent/layout"
)

// labelWidth is the column that names the parts of an explanation.
const labelWidth = 10

// RenderExplanation writes an explanation for people: what and why in the first lines, then what that rests on, and last
// the commands that lead on. It keeps to width as Render does. The error is that of the writer.
func RenderExplanation(out io.Writer, e Explanation, width int, color bool) error {
	p := page{width: max(width, widthMin), color: color}
	switch {
	case e.VIP != nil:
		p.vipStory(e)
	case e.Node != nil:
		p.nodeStory(e)
	}
	_, err := io.WriteString(out, strings.Join(p.lines, "\n")+"\n")
	return err
}

// part writes texts, each on lines of its own, with the label beside the first.
func (p *page) part(label string, style layout.Style, texts ...string) {
	for _, text := range texts {
		for _, line := range layout.Wrap(text, p.width-labelWidth, 2) {
			p.add(fmt.Sprintf("%-*s", labelWidth, label) + layout.Painted(line, style, p.color))
			label = ""
		}
	}
}

// common writes what every explanation ends with.
func (p *page) common(e Explanation, more ...string) {
	p.lately(e)
	if e.VIP != nil && e.VIP.Change != nil {
		p.change(*e.VIP.Change)
	}
	for _, node := range slices.Sorted(maps.Keys(e.Unreached)) {
		p.part("missing", layout.Warning, "the word of "+node+": "+e.Unreached[node])
	}
	for _, problem := range e.Problems {
		p.advice(e, problem)
	}
	p.gap()
	p.part("more", layout.Plain, more...)
}

// advice writes a problem, unless it is the very reason that stands above, and what to do about it.
func (p *page) advice(e Explanation, problem Problem) {
	label := "problem"
	if e.VIP == nil || e.VIP.Why == "" || !strings.Contains(problem.Text, e.VIP.Why) {
		p.part(label, layout.Warning, problem.Text)
		label = ""
	}
	if problem.Hint != "" {
		p.part(label, layout.Plain, "hint: "+problem.Hint)
	}
}

// lately writes the newest that is remembered.
func (p *page) lately(e Explanation) {
	if len(e.History) == 0 {
		p.part("lately", layout.Plain, "nothing is remembered")
		return
	}
	var b strings.Builder
	_ = history.Render(&b, e.History, p.width-labelWidth, p.color) // into memory: it cannot fail
	label := "lately"
	for line := range strings.Lines(b.String()) {
		p.add(fmt.Sprintf("%-*s", labelWidth, label) + strings.TrimSuffix(line, "\n"))
		label = ""
	}
}

// chances writes nodes or VIPs and what each may do; names go with the chances.
func (p *page) chances(label string, names []string, chances []Chance) {
	for i, c := range chances {
		style := layout.Plain
		if c.Holds {
			style = layout.Good
		}
		p.part(label, style, names[i]+" "+c.Text)
		label = ""
	}
}

// seen writes when and from where all that was said.
func (p *page) seen(e Explanation) {
	p.text(fmt.Sprintf("seen from %s at %s", e.Seen, e.Time.Format(time.RFC3339)), layout.Faint)
	p.gap()
}
