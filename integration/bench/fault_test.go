package main

import (
	"strings"
	"testing"
)

func TestFaultsAreComplete(t *testing.T) {
	set := settings{fillBytes: fillDefault, linger: lingerWhole}
	seen := map[string]bool{}
	for _, f := range faults {
		if seen[f.name] || len(f.name) > nameWidth {
			t.Errorf("%q is there twice, or longer than %d", f.name, nameWidth)
		}
		seen[f.name] = true
		if title := f.title(set); strings.Contains(title, "%") {
			t.Errorf("%s: title %q", f.name, title)
		}
		if f.strike == nil || f.heal == nil && !f.homeward {
			t.Errorf("%s cannot strike or never ends", f.name)
		}
	}
}

func TestCatalogue(t *testing.T) {
	got := catalogue(settings{fillBytes: fillQuick, linger: lingerQuick})
	for _, want := range []string{
		"host-cut           host cut off from everybody, its link up\n",
		"memcached-kill-big memcached kill -9 with 128 MiB of values\n",
		"agent-freeze       agent SIGSTOP, thawed after 2s\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != len(faults) {
		t.Errorf("%d lines for %d faults", n, len(faults))
	}
}
