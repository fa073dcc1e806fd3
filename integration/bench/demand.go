package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// demand is what a median of ours must keep to: at most some share of a rival's in the same series, or at most a figure.
type demand struct {
	faults  []string
	ours    string
	metrics []metric
	rival   string        // a contender, or anyRival; "" with most
	times   float64       // of the rival's median
	most    time.Duration // instead of a rival
}

// anyRival stands for every set-up of keepalived, of which the best decides.
const anyRival = "every keepalived"

var outages = []metric{firstARP, openOutage, closedOutage}

// demands are all that is asked of medians.
var demands = []demand{
	{faults: []string{"memcached-kill", "memcached-kill-big"}, ours: nameMemvip, metrics: outages, rival: nameLimit, times: 0.3},
	{faults: []string{"memcached-hang"}, ours: nameMemvip, metrics: outages, rival: anyRival, times: 0.3},
	{faults: []string{"host-cut"}, ours: nameMemvip, metrics: outages, rival: nameShipped, times: 0.25},
	{faults: []string{"host-cut"}, ours: nameEqual, metrics: outages, rival: nameTuned, times: 1},
	{faults: []string{"manager-stop", "planned-move"}, ours: nameMemvip, metrics: outages, rival: anyRival, times: 1},
	{faults: []string{"hand-back"}, ours: nameMemvip, metrics: []metric{openOutage}, most: 20 * time.Millisecond},

	{faults: []string{"memcached-kill", "memcached-kill-big"}, ours: nameMemvip, metrics: []metric{firstARP}, most: 10 * time.Millisecond},
	{faults: []string{"memcached-kill", "memcached-kill-big", "manager-stop"}, ours: nameMemvip, metrics: []metric{openOutage}, most: 50 * time.Millisecond},
	{faults: []string{"memcached-hang", "host-cut"}, ours: nameMemvip, metrics: []metric{openOutage}, most: 800 * time.Millisecond},
}

// What is asked of a settled cluster of three nodes and three VIPs, and of managers beside busy loops.
const (
	cpuMost     = 1.0 // % of a core
	rssMost     = 30  // MiB
	trafficMost = 3.0 // times that of keepalived, tuned
	burnLeast   = 30 * time.Minute
)

// judged is one demand and what became of it.
type judged struct {
	what, measured, limit, verdict string
}

// The verdicts.
const (
	met     = "met"
	missed  = "MISSED"
	unknown = "not measured"
)

func verdict(kept bool) string {
	if kept {
		return met
	}
	return missed
}

// against reports whether a demand is about a rival.
func (d demand) against(c contender) bool {
	return !c.ours() && (d.rival == c.name || d.rival == anyRival)
}

// limitFor finds the share of a rival's median that ours must keep to.
func limitFor(fault, ours string, m metric, rival contender) (times float64, ok bool) {
	for _, d := range demands {
		asked := slices.ContainsFunc(d.metrics, func(x metric) bool { return x.name == m.name })
		if d.ours == ours && asked && slices.Contains(d.faults, fault) && d.against(rival) {
			return d.times, true
		}
	}
	return 0, false
}

// judge looks at every demand for which there are figures of ours.
func judge(r results) []judged {
	rows := r.rows()
	var all []judged
	for _, d := range demands {
		for _, fault := range d.faults {
			own, ok := rowOf(rows, d.ours, fault)
			for _, m := range d.metrics {
				if ok && (d.rival == "" || slices.ContainsFunc(rows, func(x row) bool { return !oursNamed(x.Contender) })) {
					all = append(all, d.judge(rows, own, m))
				}
			}
		}
	}
	all = append(all, judgeStale(rows)...)
	all = append(all, judgeSteady(r.Steady)...)
	return append(all, judgeBurns(r.strains())...)
}

func (d demand) judge(rows []row, own row, m metric) judged {
	s := m.of(own)
	j := judged{what: fmt.Sprintf("%s: %s, %s", own.Fault, own.Contender, m.name), measured: m.figure(s)}
	if d.rival == "" {
		limit := inMillis(d.most)
		j.limit, j.verdict = fmt.Sprintf("≤ %.0f ms", float64(limit)), verdict(s.N > 0 && s.Median <= limit)
		return j
	}
	j.limit, j.verdict = fmt.Sprintf("≤ %.2f × %s", d.times, d.rival), unknown
	best := d.best(rows, own.Fault, m)
	if best.Contender == "" {
		return j
	}
	x := ratioOf(s, m.of(best))
	j.measured += fmt.Sprintf(" = %s × %s of %s", x, m.figure(m.of(best)), best.Contender)
	j.verdict = verdict(x.within(d.times))
	return j
}

// best is the rival with the least median, of those that the demand is about.
func (d demand) best(rows []row, fault string, m metric) row {
	var best row
	for _, c := range contenders {
		r, ok := rowOf(rows, c.name, fault)
		if ok && d.against(c) && m.of(r).N > 0 && (best.Contender == "" || m.of(r).Median < m.of(best).Median) {
			best = r
		}
	}
	return best
}

// judgeStale: no read may be stale, ever.
func judgeStale(rows []row) []judged {
	var all []judged
	for _, c := range contenders {
		runs, stale := 0, 0
		for _, r := range rows {
			if c.ours() && r.Contender == c.name {
				runs, stale = runs+r.Runs, stale+r.Stale
			}
		}
		if runs > 0 {
			all = append(all, judged{
				what: "stale reads: " + c.name + ", all faults and returns", measured: fmt.Sprintf("%d in %d runs", stale, runs),
				limit: "0", verdict: verdict(stale == 0),
			})
		}
	}
	return all
}

// judgeSteady looks at memvip's defaults, with clients and without.
func judgeSteady(costs []cost) []judged {
	var all []judged
	for _, c := range costs {
		if c.Contender != nameMemvip {
			continue
		}
		what := "steady cost, " + c.situation() + ": " + c.Contender + ", "
		cpu, rss := c.core(), c.median(func(s share) float64 { return s.RSS })
		all = append(all,
			judged{what + "CPU", fmt.Sprintf("%.2f %% of a core", cpu), fmt.Sprintf("≤ %.0f %%", cpuMost), verdict(cpu <= cpuMost)},
			judged{what + "resident memory", fmt.Sprintf("%.1f MiB", rss), fmt.Sprintf("≤ %d MiB", rssMost), verdict(rss <= rssMost)})
		for _, rival := range costs {
			if rival.Contender == nameTuned && rival.Clients == c.Clients {
				all = append(all, judgeTraffic(what, c, rival)...)
			}
		}
	}
	return all
}

func judgeTraffic(what string, c, rival cost) []judged {
	var all []judged
	for _, unit := range []struct {
		name string
		of   func(share) float64
	}{
		{"packets sent", func(s share) float64 { return s.Sent.Packets }},
		{"bytes sent", func(s share) float64 { return s.Sent.Bytes }},
	} {
		own, other := c.median(unit.of), rival.median(unit.of)
		x := ratioOf(summary{N: 1, Median: millis(own)}, summary{N: 1, Median: millis(other)})
		all = append(all, judged{
			what + unit.name, fmt.Sprintf("%.1f/s = %s × %.1f/s of %s", own, x, other, rival.Contender),
			fmt.Sprintf("≤ %.0f × %s", trafficMost, rival.Contender), verdict(x.within(trafficMost)),
		})
	}
	return all
}

// judgeBurns: no false failover of the defaults for long enough, where keepalived at its limit is measured too.
func judgeBurns(all []strain) []judged {
	own := slices.IndexFunc(all, func(s strain) bool { return s.Contender == nameMemvip })
	if own < 0 {
		return nil
	}
	s := all[own]
	j := judged{
		what:     "beside busy loops: " + s.Contender + ", false failovers",
		measured: fmt.Sprintf("%d by ARP, %d seen by the client, %s ms without an answer at most, in %s", s.Moves, s.Flips, figure(s.Gap), minutes(s.Seconds)),
		limit:    fmt.Sprintf("0 in %s, %s measured too", minutes(burnLeast.Seconds()), nameLimit),
	}
	rival := slices.ContainsFunc(all, func(s strain) bool { return s.Contender == nameLimit })
	switch {
	case s.Moves+s.Flips > 0:
		j.verdict = missed
	case s.Seconds < burnLeast.Seconds() || !rival:
		j.verdict = "none so far"
	default:
		j.verdict = met
	}
	return []judged{j}
}

func minutes(seconds float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", seconds/60), ".0") + " min"
}
