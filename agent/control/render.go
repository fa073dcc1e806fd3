package control

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"memvip/agent/layout"
)

// Width is how wide a report is laid out where no terminal says otherwise. widthMin is the least that
// Render keeps to; a narrower terminal breaks the lines itself.
const (
	Width    = layout.Width
	widthMin = 60
)

// Render writes a report for people: where every VIP is, how every node is, what is wrong, and in the
// last line the verdict. No line is wider than width (at least 60) unless an address or a command
// alone is. The error is that of the writer.
func Render(out io.Writer, r Report, width int, color bool) error {
	p := page{width: max(width, widthMin), color: color}
	p.header(r)
	p.gap()
	p.add(vipTable(r).lines(p.width, color)...)
	p.gap()
	p.add(nodeTable(r).lines(p.width, color)...)
	p.gap()
	for _, problem := range r.Problems {
		p.problem(problem)
	}
	if len(r.Problems) > 0 {
		p.gap()
	}
	p.text(r.VerdictText, verdictStyle(r.Verdict))
	_, err := io.WriteString(out, strings.Join(p.lines, "\n")+"\n")
	return err
}

// page collects lines.
type page struct {
	width int
	color bool
	lines []string
}

func (p *page) add(lines ...string) { p.lines = append(p.lines, lines...) }

func (p *page) gap() { p.add("") }

func (p *page) text(text string, s layout.Style) {
	for _, line := range layout.Wrap(text, p.width, 2) {
		p.add(layout.Painted(line, s, p.color))
	}
}

func (p *page) header(r Report) {
	p.text(fmt.Sprintf("%s, seen from %s at %s", r.Cluster, r.Node, r.Time.Format(time.RFC3339)), layout.Plain)
	q := r.Quorum
	answer := "answer"
	if q.Answering == 1 {
		answer = "answers"
	}
	votes := fmt.Sprintf("%d of %s %s, %d are needed", q.Answering, plural(q.Voters, "voter"), answer, q.Needed)
	switch {
	case !q.Quorate:
		p.text("NOT QUORATE: "+votes, layout.Bad)
	case q.Answering == q.Needed && q.Answering < q.Voters:
		p.text("quorate: "+votes+": none of them may fail", layout.Warning)
	default:
		p.text("quorate: "+votes, layout.Plain)
	}
}

// problem writes a line for a problem, and one for its hint.
func (p *page) problem(x Problem) {
	mark, s := "- ", layout.Plain
	switch x.Severity {
	case SeverityUnserved:
		mark, s = "! ", layout.Bad
	case SeverityDegraded:
		mark, s = "* ", layout.Warning
	case SeverityNote:
	}
	p.text(mark+x.Text, s)
	if x.Hint != "" {
		for _, line := range layout.Wrap("hint: "+x.Hint, p.width-2, 2) {
			p.add("  " + line)
		}
	}
}

func verdictStyle(v Verdict) layout.Style {
	switch v {
	case AllWell:
		return layout.Good
	case Degraded:
		return layout.Warning
	case Unserved:
	}
	return layout.Bad
}

func vipTable(r Report) table {
	t := table{
		heading: []string{"ADDRESS", "HOME", "HOLDER", "SINCE", "STATE"},
		fixed:   []bool{true, false, false, true, false},
	}
	seen := slices.ContainsFunc(r.VIPs, func(v VIP) bool { return len(v.Sights) > 0 })
	if seen {
		t.heading, t.fixed = slices.Insert(t.heading, 4, "SEEN"), slices.Insert(t.fixed, 4, true)
	}
	for _, v := range r.VIPs {
		row := []cell{{v.Address, layout.Plain}, {v.Home, layout.Plain}, {orDash(v.Holder), layout.Plain}, {since(v), layout.Plain}, placeCell(v)}
		if seen {
			row = slices.Insert(row, 4, seenCell(v))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// seenCell says how many of the nodes that could look see the address with its holder, and with nobody else.
func seenCell(v VIP) cell {
	agree, looked := 0, 0
	for _, s := range v.Sights {
		if s.Asked || s.Agrees {
			looked++
		}
		if s.Agrees {
			agree++
		}
	}
	switch text := fmt.Sprintf("%d/%d", agree, looked); {
	case looked == 0:
		return cell{"-", layout.Plain}
	case agree < looked && v.Served:
		return cell{text, layout.Warning}
	default:
		return cell{text, layout.Plain}
	}
}

func since(v VIP) string {
	if v.Held == 0 {
		return "-"
	}
	return layout.Span(time.Duration(v.Held)*time.Millisecond) + " ago"
}

func placeCell(v VIP) cell {
	switch v.Place {
	case PlaceHome:
		return cell{"at home", layout.Good}
	case PlaceAway:
		return cell{"away: " + v.WhyShort, layout.Warning}
	case PlaceTaking:
		return cell{"BEING TAKEN", layout.Bad}
	case PlaceUnserved:
		return cell{"NOT SERVED", layout.Bad}
	case PlaceUnknown:
		return cell{"UNKNOWN", layout.Bad}
	}
	return cell{string(v.Place), layout.Plain}
}

func nodeTable(r Report) table {
	t := table{
		heading: []string{"NODE", "MEMCACHED", "CACHE", "FLAGS", "HEARD"},
		fixed:   []bool{false, false, false, false, true},
	}
	mixed := slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Code == ProblemVersions })
	for _, n := range r.Nodes {
		t.rows = append(t.rows, []cell{{n.Name, layout.Plain}, memcachedCell(n), cacheCell(n), flagsCell(n, mixed), heardCell(n)})
	}
	return t
}

// memcachedCell and cacheCell show a question mark for a node that is gone: what it said is no news.
func memcachedCell(n Node) cell {
	if n.Silent {
		return cell{"?", layout.Bad}
	}
	if len(n.Instances) == 0 {
		return cell{"-", layout.Plain}
	}
	if len(n.Instances) == 1 {
		return instanceCell(n.Instances[0])
	}
	up := 0
	for _, in := range n.Instances {
		if in.Up {
			up++
		}
	}
	text := fmt.Sprintf("%d of %d up", up, len(n.Instances))
	if up < len(n.Instances) {
		return cell{text, layout.Bad}
	}
	return cell{text, layout.Good}
}

func instanceCell(in Instance) cell {
	switch {
	case !in.Known:
		return cell{"not probed", layout.Warning}
	case !in.Up && in.Reason == "":
		return cell{"down", layout.Bad}
	case !in.Up:
		return cell{"down: " + in.Reason, layout.Bad}
	case in.Reason != "":
		return cell{"up: " + in.Reason, layout.Warning}
	}
	return cell{"up", layout.Good}
}

func cacheCell(n Node) cell {
	if n.Silent {
		return cell{"?", layout.Bad}
	}
	by := make(map[Cache][]string)
	for _, v := range n.VIPs {
		by[v.Cache] = append(by[v.Cache], v.Address)
	}
	switch {
	case len(by[CacheTainted]) > 0:
		return cell{"tainted for " + oneOrCount(by[CacheTainted]), layout.Warning}
	case len(by[CacheWarm]) > 0:
		return cell{"warm for " + oneOrCount(by[CacheWarm]), layout.Plain}
	case len(by[CacheClean]) > 0, len(by[CacheServing]) > 0:
		return cell{"clean", layout.Good}
	}
	return cell{"-", layout.Plain}
}

func oneOrCount(vips []string) string {
	if len(vips) == 1 {
		return vips[0]
	}
	return plural(len(vips), "VIP")
}

func flagsCell(n Node, mixed bool) cell {
	var flags []string
	flag := func(set bool, word string) {
		if set {
			flags = append(flags, word)
		}
	}
	flag(n.Witness, "witness")
	flag(!n.Voter, "no vote")
	flag(!n.Silent && n.Draining, "draining")
	flag(!n.Silent && n.Stopping, "stopping")
	flag(!n.Silent && !n.Quorate, "cut off")
	flag(!n.Silent && n.DiskError != "", "disk error")
	flag(mixed && n.Build != "", n.Build)
	return cell{strings.Join(flags, ", "), layout.Plain}
}

func heardCell(n Node) cell {
	switch {
	case n.Self:
		return cell{"here", layout.Plain}
	case !n.Heard:
		return cell{"never", layout.Bad}
	}
	s := layout.Plain
	if n.Silent {
		s = layout.Bad
	}
	return cell{layout.Span(time.Duration(n.HeardAge)*time.Millisecond) + " ago", s}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
