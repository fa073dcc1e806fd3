package main

import (
	"slices"
	"strings"
	"testing"
)

// made is n runs of which every time is the given one.
func made(contender, fault string, n int, ms millis) []sample {
	var all []sample
	for i := range n {
		all = append(all, sample{
			Contender: contender, Fault: fault, Run: i + 1, From: "cache1", To: "cache2", FirstARP: &ms,
			Open: view{Outage: ms, Moved: &ms, Failed: int(ms)}, Closed: view{Outage: ms}, Patient: view{Outage: ms},
		})
	}
	return all
}

func TestRatio(t *testing.T) {
	of := func(v millis) summary { return summary{N: 1, Median: v} }
	for _, tt := range []struct {
		ours, theirs summary
		text         string
		within       bool // of 0.3
	}{
		{of(3), of(10), "0.30", true},
		{of(3.1), of(10), "0.31", false},
		{of(0), of(10), "0.000", true},
		{of(0), of(0), "1.00", false},
		{of(5), of(0), "∞", false},
		{of(345), of(10), "34", false},
		{of(5), summary{}, "-", false},
		{summary{}, of(5), "-", false},
	} {
		x := ratioOf(tt.ours, tt.theirs)
		if x.String() != tt.text || x.within(0.3) != tt.within {
			t.Errorf("%v beside %v: %s, within 0.3: %v; want %s, %v", tt.ours.Median, tt.theirs.Median, x, x.within(0.3), tt.text, tt.within)
		}
	}
}

// verdictOn finds what became of the demand whose text has all the words.
func verdictOn(t *testing.T, all []judged, words ...string) judged {
	t.Helper()
	var some []judged
	for _, j := range all {
		text := j.what + " " + j.limit
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			some = append(some, j)
		}
	}
	if len(some) != 1 {
		t.Fatalf("%q: %d demands: %+v", words, len(some), some)
	}
	return some[0]
}

func TestDemandsOfFaults(t *testing.T) {
	var r results
	for _, c := range []struct {
		contender, fault string
		ms               millis
	}{
		{nameMemvip, "memcached-hang", 90}, {nameShipped, "memcached-hang", 299}, {nameTuned, "memcached-hang", 301}, // of the best
		{nameMemvip, "host-cut", 500}, {nameShipped, "host-cut", 2000}, {nameTuned, "host-cut", 400}, // of the one that is named
		{nameEqual, "host-cut", 401},
		{nameMemvip, "memcached-kill", 7}, {nameShipped, "memcached-kill", 2500}, // whom it is about did not run
		{nameMemvip, "hand-back", 20},
	} {
		r.Runs = append(r.Runs, made(c.contender, c.fault, 3, c.ms)...)
	}
	all := judge(r)
	for _, tt := range []struct {
		words    []string
		measured string
		verdict  string
	}{
		{[]string{"memcached-hang: memvip, outage, open loop", "0.30 × every keepalived"}, "90 ms = 0.30 × 299 ms of keepalived", missed},
		{[]string{"host-cut: memvip, first ARP", "0.25 × keepalived"}, "500 ms = 0.25 × 2000 ms of keepalived", met},
		{[]string{"host-cut: " + nameEqual + ", outage, closed loop", "1.00 × keepalived-tuned"}, "401 ms = 1.00 × 400 ms of keepalived-tuned", missed},
		{[]string{"memcached-kill: memvip, first ARP", "0.30 × keepalived-limit"}, "7 ms", unknown},
		{[]string{"memcached-kill: memvip, first ARP", "≤ 10 ms"}, "7 ms", met},
		{[]string{"hand-back: memvip, outage, open loop", "≤ 20 ms"}, "20 ms", met},
		{[]string{"stale reads: memvip,"}, "0 in 12 runs", met},
		{[]string{"stale reads: " + nameEqual}, "0 in 3 runs", met},
	} {
		if j := verdictOn(t, all, tt.words...); j.measured != tt.measured || j.verdict != tt.verdict {
			t.Errorf("%s: %s: %s, want %s: %s", j.what, j.measured, j.verdict, tt.measured, tt.verdict)
		}
	}
	r.Runs[0].Stale = 1
	if j := verdictOn(t, judge(r), "stale reads: memvip,"); j.verdict != missed {
		t.Errorf("%+v", j)
	}
	if alone := judge(results{Runs: made(nameMemvip, "memcached-kill", 1, 7)}); len(alone) != 3 {
		t.Errorf("memvip alone is judged by figures only: %+v", alone)
	}
}

func TestDemandsOfSteadyCost(t *testing.T) {
	of := func(contender string, cpu, rss, packets float64) cost {
		h := share{CPU: cpu, RSS: rss, Sent: rate{packets, packets * 100}}
		return cost{Contender: contender, Hosts: []share{{}, h, h}}
	}
	all := judge(results{Steady: []cost{of(nameMemvip, 36, 30.1, 30), of(nameTuned, 1, 1, 10), of(nameLimit, 1, 1, 1)}})
	for what, want := range map[string]string{"CPU": met, "resident memory": missed, "packets sent": met, "bytes sent": met} {
		if j := verdictOn(t, all, ", "+what); j.verdict != want {
			t.Errorf("%+v, want %s", j, want)
		}
	}
	all = judge(results{Steady: []cost{of(nameMemvip, 36.4, 30, 31), of(nameTuned, 1, 1, 10)}})
	for what, want := range map[string]string{"CPU": missed, "resident memory": met, "packets sent": missed} {
		if j := verdictOn(t, all, ", "+what); j.verdict != want {
			t.Errorf("%+v, want %s", j, want)
		}
	}
}

func TestDemandsBesideBusyLoops(t *testing.T) {
	slices := func(contender string, n, moves int) []slice {
		var all []slice
		for i := range n {
			all = append(all, slice{Contender: contender, Number: i + 1, Seconds: 60, Moves: moves})
		}
		return all
	}
	for _, tt := range []struct {
		burns []slice
		want  string
	}{
		{append(slices(nameMemvip, 30, 0), slices(nameLimit, 1, 9)...), met},
		{append(slices(nameMemvip, 29, 0), slices(nameLimit, 1, 0)...), "none so far"},
		{slices(nameMemvip, 30, 0), "none so far"},
		{append(slices(nameMemvip, 1, 1), slices(nameLimit, 1, 9)...), missed},
	} {
		if j := verdictOn(t, judge(results{Burns: tt.burns}), "busy loops"); j.verdict != tt.want {
			t.Errorf("%d slices: %+v, want %s", len(tt.burns), j, tt.want)
		}
	}
	if all := judge(results{Burns: slices(nameLimit, 1, 1)}); len(all) != 0 {
		t.Errorf("nothing of ours: %+v", all)
	}
}

// Every demand speaks of what there is.
func TestDemandsNameWhatThereIs(t *testing.T) {
	for _, d := range demands {
		for _, f := range d.faults {
			if _, err := choose("fault", f, faults); err != nil {
				t.Error(err)
			}
		}
		if _, err := choose("contender", d.ours, contenders); err != nil || !oursNamed(d.ours) {
			t.Errorf("%s: %v", d.ours, err)
		}
		if d.rival != "" && d.rival != anyRival {
			if _, err := choose("contender", d.rival, contenders); err != nil || oursNamed(d.rival) {
				t.Errorf("%s: %v", d.rival, err)
			}
		}
		if (d.rival == "") == (d.most == 0) || (d.rival == "") != (d.times == 0) {
			t.Errorf("%v: want a rival or a figure", d.faults)
		}
	}
}
