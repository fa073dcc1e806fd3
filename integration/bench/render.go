package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// render is the whole output, in Markdown.
func render(r results) string {
	var b strings.Builder
	b.WriteString(renderHeader(r))
	part := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n### %s\n\n%s", title, text)
		}
	}
	rows := r.rows()
	if len(rows)+len(r.Steady)+len(r.Burns) == 0 {
		b.WriteString("\nnothing was measured\n")
		return b.String()
	}
	part("What was asked for", renderDemands(judge(r)))
	part("Beside keepalived: ratios of medians, below 1 memvip is ahead", renderRatios(rows))
	part("Times in ms: median / p95 / max", renderTimes(rows))
	part("What clients suffered besides waiting", renderHarm(rows))
	part("Steady cost per host", renderSteady(r.Steady))
	part("Beside twice as many busy loops as there are cores, and no fault, all at the same time", renderBurns(r.strains()))
	part("The faults", renderFaults(r))
	if len(rows) > 0 {
		part("How to read the figures", bullets(readings))
	}
	part("How to repeat them", renderRepeat(r))
	part("Promises", renderPromises(r))
	return b.String()
}

// renderDemands lists every demand and what became of it.
func renderDemands(all []judged) string {
	if len(all) == 0 {
		return ""
	}
	t := table{head: []string{"what", "measured, medians", "asked for", "verdict"}, left: 4}
	for _, j := range all {
		t.add(j.what, j.measured, j.limit, j.verdict)
	}
	return t.String()
}

// renderRatios compares each of ours with each of theirs, fault by fault, and says in words where theirs is ahead.
func renderRatios(rows []row) string {
	t := table{head: []string{"fault", "ours", "beside"}, left: 3}
	for _, m := range compared {
		t.head = append(t.head, m.name)
	}
	t.head = append(t.head, "two hosts by ARP, ms", "stale reads", "keepalived is ahead in")
	for _, f := range faults {
		for _, own := range rows {
			if own.Fault != f.name || !oursNamed(own.Contender) {
				continue
			}
			for _, c := range contenders {
				if rival, ok := rowOf(rows, c.name, f.name); ok && !c.ours() {
					t.rows = append(t.rows, ratioCells(own, rival, c))
				}
			}
		}
	}
	if len(t.rows) == 0 {
		return ""
	}
	return t.String()
}

func ratioCells(own, rival row, c contender) []string {
	cells := []string{own.Fault, own.Contender, rival.Contender}
	var ahead []string
	for _, m := range compared {
		x := ratioOf(m.of(own), m.of(rival))
		cell := x.String()
		if limit, ok := limitFor(own.Fault, own.Contender, m, c); ok {
			cell += fmt.Sprintf(" (≤ %g: %s)", limit, verdict(x.within(limit)))
		}
		if x.known && !x.within(1) {
			ahead = append(ahead, m.name)
		}
		cells = append(cells, cell)
	}
	if own.Doubled.Median > rival.Doubled.Median {
		ahead = append(ahead, "two hosts by ARP")
	}
	if own.Stale > rival.Stale {
		ahead = append(ahead, "stale reads")
	}
	cells = append(cells, figure(own.Doubled.Median)+" : "+figure(rival.Doubled.Median), fmt.Sprintf("%d : %d", own.Stale, rival.Stale))
	words := "nothing"
	if len(ahead) > 0 {
		words = "**" + strings.Join(ahead, "; ") + "**"
	}
	return append(cells, words)
}

// renderTimes is the table of durations.
func renderTimes(rows []row) string {
	t := table{head: []string{"fault", "contender", "runs", "outage, open loop", "outage, closed loop", "outage, patient", "first ARP", "other host answers", "gap when it goes home"}, left: 2}
	for _, r := range rows {
		t.add(r.Fault, r.Contender, strconv.Itoa(r.Runs), spread(r.Outage, r.Runs), spread(r.Closed, r.Runs), spread(r.Patient, r.Runs), spread(r.FirstARP, r.Runs),
			spread(r.Moved, r.Runs), spread(r.HomeGap, r.Runs))
	}
	return t.ifAny()
}

// renderHarm is the table of what clients suffered besides waiting.
func renderHarm(rows []row) string {
	t := table{head: []string{"fault", "contender", "runs", "failed, open loop", "failed, closed loop", "failed, patient", "two hosts seen by a client, ms", "two hosts by ARP, ms",
		"stale reads", "lost", "settled after, s", "longest stall, ms"}, left: 2}
	for _, r := range rows {
		t.add(r.Fault, r.Contender, strconv.Itoa(r.Runs), span(r.Failed), span(r.ClosedFailed), span(r.PatientFailed), span(r.TwoHosts), span(r.Doubled),
			strconv.Itoa(r.Stale), strconv.Itoa(r.Lost), seconds(r.Settle), figure(r.Stall.Max))
	}
	return t.ifAny()
}

// ifAny is the table unless it is empty.
func (t table) ifAny() string {
	if len(t.rows) == 0 {
		return ""
	}
	return t.String()
}

// spread is median, p95 and maximum, and how many runs they are of if some had none.
func spread(s summary, runs int) string {
	if s.N == 0 {
		return "-"
	}
	text := fmt.Sprintf("%s / %s / %s", figure(s.Median), figure(s.P95), figure(s.Max))
	if s.N < runs {
		text += fmt.Sprintf(" (%d)", s.N)
	}
	return text
}

// span is median and maximum.
func span(s summary) string {
	if s.Max == 0 {
		return "0"
	}
	return figure(s.Median) + " / " + figure(s.Max)
}

func seconds(s summary) string {
	if s.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f / %.1f", float64(s.Median)/1000, float64(s.Max)/1000)
}

// figure shows three digits at most before it drops the decimal, and none of a whole number.
func figure(v millis) string {
	if v == millis(int(v)) || v >= 99.95 {
		return fmt.Sprintf("%.0f", float64(v))
	}
	return fmt.Sprintf("%.1f", float64(v))
}

func renderFaults(r results) string {
	var lines []string
	for _, f := range faults {
		if text := r.Faults[f.name]; text != "" {
			lines = append(lines, f.name+": "+text)
		}
	}
	return bullets(lines)
}

// readings say how to read the tables.
var readings = []string{
	"outage: last success to first success, of the clients of the VIP that was struck.",
	"first ARP, other host answers: from the fault to the first gratuitous ARP of another host than the holder, and to its first answer to the open loop; " +
		"in hand-back from the stand-in's last answer.",
	"failed: operations begun before the fault was healed, median / max. Two hosts and stale reads: until the VIP was home again; stale: sum of all runs, clients and VIPs.",
	"gap when it goes home: from the stand-in's last answer to the home's first, when the fault was over.",
	fmt.Sprintf("lost: runs after which the VIP was not served again or not at home for every client within %s (memvip) or %s (keepalived). "+
		"The gap is then unknown, and longer than all that are.", settleOurs, settleTheirs),
	"longest stall: that the machine held up the open loop itself in any run; an outage of that length says nothing.",
	"p95: nearest rank, so below 20 runs it is the maximum. A number in parentheses is that of the runs in which there was anything to time.",
	"all hosts share one kernel and its cores, and there is no network latency.",
}

// renderRepeat says which commands measure what again.
func renderRepeat(r results) string {
	lines := []string{"# what is shown here; stopped, each goes on where it was: every run is kept in bin/bench-peers.json"}
	for _, these := range r.together() {
		lines = append(lines, fmt.Sprintf("make bench-peers BENCH=\"-steady 0 -burn 0 \\\n  -contender %s \\\n  -fault %s\"", these.contenders, strings.Join(these.faults, ",")))
	}
	if steady := inOrder(func(c string) bool {
		return slices.ContainsFunc(r.Steady, func(x cost) bool { return x.Contender == c })
	}); steady != "" {
		lines = append(lines, fmt.Sprintf("make bench-peers BENCH=\"-fault none -burn 0 -steady %.0fs \\\n  -contender %s\"", r.Steady[0].Seconds, steady))
	}
	if burned := inOrder(func(c string) bool {
		return slices.ContainsFunc(r.Burns, func(b slice) bool { return b.Contender == c })
	}); burned != "" {
		lines = append(lines, fmt.Sprintf("make bench-peers BENCH=\"-fault none -steady 0 -burn %.0fs \\\n  -contender %[2]s -burn-contender %[2]s\"", r.strains()[0].Seconds, burned))
	}
	return "```\n" + strings.Join(append(lines,
		"",
		"make bench-peers     # every contender, and the faults and busy loops that the Makefile names, for hours",
		"make bench           # memvip alone",
		"bin/bench -list      # every fault and contender by name",
	), "\n") + "\n```\n"
}

// alike are faults that the same contenders were struck with.
type alike struct {
	contenders string
	faults     []string
}

// together sorts the faults by who was struck with them.
func (r results) together() []alike {
	var all []alike
	for _, f := range faults {
		who := inOrder(func(c string) bool {
			return slices.ContainsFunc(r.Runs, func(s sample) bool { return s.Contender == c && s.Fault == f.name })
		})
		i := slices.IndexFunc(all, func(a alike) bool { return a.contenders == who })
		switch {
		case who == "":
		case i < 0:
			all = append(all, alike{who, []string{f.name}})
		default:
			all[i].faults = append(all[i].faults, f.name)
		}
	}
	return all
}

// inOrder lists the contenders that are wanted, as the command line takes them.
func inOrder(wanted func(name string) bool) string {
	var names []string
	for _, c := range contenders {
		if wanted(c.name) {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ",")
}

// renderPromises says whether memvip's were kept.
func renderPromises(r results) string {
	var lines []string
	for _, note := range r.Notes {
		lines = append(lines, "not measured: "+note)
	}
	for _, f := range r.problems() {
		lines = append(lines, fmt.Sprintf("%s: %s", f.step, f.problem))
	}
	if n := len(r.broken()); n > 0 {
		lines = append(lines, fmt.Sprintf("BROKEN: %d times", n))
	} else if len(r.Runs) > 0 {
		lines = append(lines, "memvip kept: no stale read, no two hosts, every VIP served again and home again")
	}
	return bullets(lines)
}

func (p problem) String() string {
	if p.breaks() {
		return "BROKEN: " + p.Text
	}
	return "noted: " + p.Text
}

// progressLine tells of one run.
func progressLine(s sample, done, planned int, spent time.Duration) string {
	line := fmt.Sprintf("[%d/%d] %s: %s", done, planned, s.stepName(), s.VIP)
	if !s.served() {
		return line + " not served again"
	}
	line += fmt.Sprintf(" %s to %s, outage %s (closed %s, patient %s)", s.From, s.To, figure(s.Open.Outage), figure(s.Closed.Outage), figure(s.Patient.Outage))
	if s.FirstARP != nil {
		line += ", ARP " + figure(*s.FirstARP)
	}
	if s.Open.Moved != nil {
		line += ", moved " + figure(*s.Open.Moved)
	}
	line += fmt.Sprintf(", failed %d, settled %.1f s, stall %s, load %.1f", s.Open.Failed, float64(s.Settled)/1000, figure(s.Open.Stall), s.Load)
	if left := planned - done; left > 0 && done > 0 {
		line += fmt.Sprintf("; %s left", (spent / time.Duration(done) * time.Duration(left)).Round(time.Second))
	}
	return line
}
