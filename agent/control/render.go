package control

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Width is how wide a report is laid out where no terminal says otherwise. widthMin is the least that
// Render keeps to; a narrower terminal breaks the lines itself.
const (
	Width    = 80
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

func (p *page) text(text string, s style) {
	for _, line := range wrap(text, p.width, 2) {
		p.add(painted(line, s, p.color))
	}
}

func (p *page) header(r Report) {
	p.text(fmt.Sprintf("%s, seen from %s at %s", r.Cluster, r.Node, r.Time.Format(time.RFC3339)), plain)
	q := r.Quorum
	answer := "answer"
	if q.Answering == 1 {
		answer = "answers"
	}
	votes := fmt.Sprintf("%d of %s %s, %d are needed", q.Answering, plural(q.Voters, "voter"), answer, q.Needed)
	if q.Quorate {
		p.text("quorate: "+votes, plain)
		return
	}
	p.text("NOT QUORATE: "+votes, bad)
}

// problem writes a line for a problem, and one for its hint.
func (p *page) problem(x Problem) {
	mark, s := "- ", plain
	switch x.Severity {
	case SeverityUnserved:
		mark, s = "! ", bad
	case SeverityDegraded:
		mark, s = "* ", warning
	case SeverityNote:
	}
	p.text(mark+x.Text, s)
	if x.Hint != "" {
		for _, line := range wrap("hint: "+x.Hint, p.width-2, 2) {
			p.add("  " + line)
		}
	}
}

func verdictStyle(v Verdict) style {
	switch v {
	case AllWell:
		return good
	case Degraded:
		return warning
	case Unserved:
	}
	return bad
}

func vipTable(r Report) table {
	t := table{
		heading: []string{"ADDRESS", "HOME", "HOLDER", "SINCE", "STATE"},
		fixed:   []bool{true, false, false, true, false},
	}
	for _, v := range r.VIPs {
		t.rows = append(t.rows, []cell{{v.Address, plain}, {v.Home, plain}, {orDash(v.Holder), plain}, {since(v), plain}, placeCell(v)})
	}
	return t
}

func since(v VIP) string {
	if v.Held == 0 {
		return "-"
	}
	return span(time.Duration(v.Held)*time.Millisecond) + " ago"
}

func placeCell(v VIP) cell {
	switch v.Place {
	case PlaceHome:
		return cell{"at home", good}
	case PlaceAway:
		return cell{"away: " + v.WhyShort, warning}
	case PlaceTaking:
		return cell{"BEING TAKEN", bad}
	case PlaceUnserved:
		return cell{"NOT SERVED", bad}
	case PlaceUnknown:
		return cell{"UNKNOWN", bad}
	}
	return cell{string(v.Place), plain}
}

func nodeTable(r Report) table {
	t := table{
		heading: []string{"NODE", "MEMCACHED", "CACHE", "FLAGS", "HEARD"},
		fixed:   []bool{false, false, false, false, true},
	}
	mixed := slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Code == ProblemVersions })
	for _, n := range r.Nodes {
		t.rows = append(t.rows, []cell{{n.Name, plain}, memcachedCell(n), cacheCell(n), flagsCell(n, mixed), heardCell(n)})
	}
	return t
}

// memcachedCell and cacheCell show a question mark for a node that is gone: what it said is no news.
func memcachedCell(n Node) cell {
	if n.Silent {
		return cell{"?", bad}
	}
	if len(n.Instances) == 0 {
		return cell{"-", plain}
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
		return cell{text, bad}
	}
	return cell{text, good}
}

func instanceCell(in Instance) cell {
	switch {
	case !in.Known:
		return cell{"not probed", warning}
	case !in.Up && in.Reason == "":
		return cell{"down", bad}
	case !in.Up:
		return cell{"down: " + in.Reason, bad}
	case in.Reason != "":
		return cell{"up: " + in.Reason, warning}
	}
	return cell{"up", good}
}

func cacheCell(n Node) cell {
	if n.Silent {
		return cell{"?", bad}
	}
	by := make(map[Cache][]string)
	for _, v := range n.VIPs {
		by[v.Cache] = append(by[v.Cache], v.Address)
	}
	switch {
	case len(by[CacheTainted]) > 0:
		return cell{"tainted for " + oneOrCount(by[CacheTainted]), warning}
	case len(by[CacheWarm]) > 0:
		return cell{"warm for " + oneOrCount(by[CacheWarm]), plain}
	case len(by[CacheClean]) > 0, len(by[CacheServing]) > 0:
		return cell{"clean", good}
	}
	return cell{"-", plain}
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
	return cell{strings.Join(flags, ", "), plain}
}

func heardCell(n Node) cell {
	switch {
	case n.Self:
		return cell{"here", plain}
	case !n.Heard:
		return cell{"never", bad}
	}
	s := plain
	if n.Silent {
		s = bad
	}
	return cell{span(time.Duration(n.HeardAge)*time.Millisecond) + " ago", s}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
