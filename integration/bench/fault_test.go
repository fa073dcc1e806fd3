package main

import (
	"strings"
	"testing"
	"time"
)

func TestFaultsAreComplete(t *testing.T) {
	set := settings{fillBytes: fillDefault << 20, linger: lingerWhole}
	seen := map[string]bool{}
	for _, f := range faults {
		if seen[f.name] {
			t.Errorf("%q is there twice", f.name)
		}
		seen[f.name] = true
		if words := f.words(set); strings.Contains(words, "%") {
			t.Errorf("%s: words %q", f.name, words)
		}
		for _, c := range contenders {
			if !f.suits(c) && c.ours() {
				t.Errorf("%s does not suit %s", f.name, c.name)
			}
		}
		if f.strike == nil || f.heal == nil && !f.homeward {
			t.Errorf("%s cannot strike or never ends", f.name)
		}
	}
}

// In twenty runs each fifth of any interval is struck.
func TestPhases(t *testing.T) {
	const runs, parts = 20, 5
	for _, interval := range []time.Duration{time.Second, 150 * time.Millisecond, 100 * time.Millisecond, 10 * time.Millisecond} {
		struck := map[time.Duration]bool{}
		for run := 1; run <= runs; run++ {
			at := fault{phased: true}.phase(run)
			if at < 0 || at >= longestInterval {
				t.Errorf("run %d: %s", run, at)
			}
			struck[at%interval/(interval/parts)] = true
		}
		if len(struck) != parts {
			t.Errorf("of every %s only these fifths are struck: %v", interval, struck)
		}
	}
	if at := (fault{}).phase(3); at != 0 {
		t.Errorf("a fault that is noticed at once waits %s", at)
	}
}

func TestCatalogue(t *testing.T) {
	got := catalogue(settings{fillBytes: fillQuick << 20, linger: lingerQuick})
	for _, want := range []string{
		"\n  host-cut           host cut off from everybody, its link up, at another moment of 1s each time\n",
		"\n  memcached-kill-big memcached kill -9 with 128 MiB of values\n",
		"\n  manager-freeze     memvip-agent or keepalived SIGSTOP, thawed after 1s, at another moment of 1s each time\n",
		"\n  memvip             memvip, default configuration",
		"\n  keepalived-limit   keepalived at its limit: VRRPv3, advert_int 0.01, ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 2+len(faults)+len(contenders) {
		t.Errorf("%d lines for %d faults and %d contenders", n, len(faults), len(contenders))
	}
}
