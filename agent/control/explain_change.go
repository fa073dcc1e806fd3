package control

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"memvip/agent/layout"
	"memvip/agent/trace"
)

// change writes how a VIP came to its holder: a table of what was done one after the other, and what the time went to.
func (p *page) change(t trace.Timeline) {
	p.part("change", layout.Plain, changeSentence(t))
	rows := turns(t.Path)
	nodes, kinds := 0, 0
	for _, r := range rows {
		nodes, kinds = max(nodes, len(layout.Printable(r.node))), max(kinds, len(r.kind))
	}
	p.add(layout.Painted(fmt.Sprintf("%*s %5s  %5s  %-*s  %-*s  step", labelWidth, "", "ms", "took", nodes, "node", kinds, "kind"), layout.Faint, p.color))
	for _, r := range rows {
		head := fmt.Sprintf("%*s%s %s  %-*s  %-*s  ", labelWidth, "", millis(r.at), millis(r.took), nodes, layout.Printable(r.node), kinds, r.kind)
		for _, line := range layout.Wrap(strings.Join(r.texts, ", "), p.width-len(head), 0) {
			p.add(head + line)
			head = strings.Repeat(" ", len(head))
		}
	}
	p.part("", layout.Plain, "in all "+spentOn(t))
}

func changeSentence(t trace.Timeline) string {
	from := ""
	if t.From != "" {
		from = " from " + t.From
	}
	return fmt.Sprintf("it came%s to %s within %s ms (epoch %d)", from, t.To, strings.TrimSpace(millis(t.Took)), t.Epoch)
}

// turn is steps in a row that one node spent on one kind of work.
type turn struct {
	node  string
	kind  trace.Kind
	at    int64 // when the last of them was done
	took  int64
	texts []string
}

// tooShort is what is not worth a line of its own.
const tooShort = 20

// turns makes lines of a path. Sending a message is part of the turn in which it is heard; what took next to nothing is
// part of the turn before.
func turns(path []trace.Span) []turn {
	var rows []turn
	sending := int64(0)
	for i, s := range path {
		if i+1 < len(path) && path[i+1].Node != s.Node {
			sending = s.Took
			continue
		}
		s.Took, sending = s.Took+sending, 0
		last := len(rows) - 1
		if last < 0 || rows[last].node != s.Node || rows[last].kind != s.Kind && s.Took >= tooShort {
			rows, last = append(rows, turn{node: s.Node, kind: s.Kind}), last+1
		}
		rows[last].at = s.At
		rows[last].took += s.Took
		rows[last].texts = append(rows[last].texts, s.Text())
	}
	return rows
}

// spentOn lists what the time went to, the most first.
func spentOn(t trace.Timeline) string {
	kinds := slices.DeleteFunc(trace.Kinds(), func(k trace.Kind) bool { return t.Spent[k] == 0 })
	slices.SortStableFunc(kinds, func(a, b trace.Kind) int { return cmp.Compare(t.Spent[b], t.Spent[a]) })
	var texts []string
	for _, k := range kinds {
		texts = append(texts, fmt.Sprintf("%s %s", k, strings.TrimSpace(millis(t.Spent[k]))))
	}
	return strings.Join(texts, ", ") + " ms"
}

// millis is a time in milliseconds, as exact as it is worth here.
func millis(micros int64) string { return fmt.Sprintf("%6.2f", float64(micros)/1e3) }
