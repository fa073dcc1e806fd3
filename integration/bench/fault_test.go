package main

import (
	"strings"
	"testing"
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

func TestCatalogue(t *testing.T) {
	got := catalogue(settings{fillBytes: fillQuick << 20, linger: lingerQuick})
	for _, want := range []string{
		"\n  host-cut           host cut off from everybody, its link up\n",
		"\n  memcached-kill-big memcached kill -9 with 128 MiB of values\n",
		"\n  manager-freeze     memvip-agent or keepalived SIGSTOP, thawed after 1s\n",
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
