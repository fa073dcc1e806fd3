package main

import (
	"strings"
	"testing"
	"time"
)

func TestContendersAreComplete(t *testing.T) {
	set := settings{bin: "/opt/bin", fillBytes: fillQuick << 20}
	seen := map[string]bool{}
	for i, c := range contenders {
		if seen[c.name] {
			t.Errorf("%s is there twice", c.name)
		}
		seen[c.name] = true
		if c.ours() != (i%2 == 0) || oursNamed(c.name) != c.ours() {
			t.Errorf("%s: ours and theirs do not alternate", c.name)
		}
		o := c.options(set)
		if !o.InstancePerVIP || (o.Keepalived == nil) != c.ours() || (o.Agent == "/opt/bin/memvip-agent") != c.ours() {
			t.Errorf("%s: options %+v", c.name, o)
		}
	}
	for _, name := range []string{nameMemvip, nameShipped, nameEqual, nameTuned, nameLimit} {
		if !seen[name] {
			t.Errorf("there is no %s, of which demands speak", name)
		}
	}
}

// Nothing that decides how fast a contender is may change without its description, which old results are compared by.
func TestDescriptionsTellContendersApart(t *testing.T) {
	slow := contender{name: "x", what: "x", keepalived: tuned(time.Second)}
	fast := contender{name: "x", what: "x", keepalived: tuned(time.Millisecond)}
	plain := contender{name: "x", what: "x", keepalived: tuned(time.Second)}
	plain.keepalived.Realtime, plain.keepalived.TrackProcess = 0, false
	seen := map[string]bool{}
	for _, c := range append([]contender{slow, fast, plain}, contenders...) {
		if text := c.describe(); seen[text] {
			t.Errorf("two are described as %q", text)
		} else {
			seen[text] = true
		}
	}
	if text := slow.describe(); !strings.HasSuffix(text, "track_process, vrrp_rt_priority 10, vrrp_no_swap, vrrp_rlimit_rttime 100000") {
		t.Error(text)
	}
	if text := plain.describe(); !strings.Contains(text, "the ordinary scheduling class") || strings.Contains(text, "track_process") {
		t.Error(text)
	}
}
