package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"memvip/agent/core"
	"memvip/health"
)

// TestEveryCodeHasWords walks over every code of every closed set that reaches a report.
func TestEveryCodeHasWords(t *testing.T) {
	silentCodes := map[string]bool{ // those that call for no words
		"core.Standing eligible":   true,
		"core.AskRefusal accepted": true,
		"core.FlushStage idle":     true,
		"core.Refusal granted":     true,
		// They pass by themselves, or concern one name only.
		"core.Refusal wrong_incarnation": true,
		"core.Refusal old_request":       true,
		"core.Refusal held":              true,
		"core.Refusal reserved":          true,
		"health.Reason none":             true,
	}
	check := func(code fmt.Stringer, words ...string) {
		name := fmt.Sprintf("%T %s", code, code)
		for _, w := range words {
			if (w == "") != silentCodes[name] {
				t.Errorf("%s has the words %q", name, w)
			}
			if w != strings.TrimSpace(w) || strings.HasSuffix(w, ".") {
				t.Errorf("%s: %q is no part of a sentence", name, w)
			}
		}
	}
	for _, s := range codes[core.Standing]() {
		p := standingWords(s, "cache1", "")
		check(s, p.short, p.long)
	}
	for _, c := range codes[core.Homecoming]() {
		p := homecomingWords(c, "cache1", "cache2")
		check(c, p.short, p.long)
	}
	for _, r := range codes[core.AskRefusal]() {
		check(r, askWords(r, "cache1", "cache2"))
	}
	for _, s := range codes[core.FlushStage]() {
		check(s, flushWords(s, ""))
		if !strings.Contains(flushWords(s, "12 items are left"), "12 items") && s != core.FlushRunning && s != core.FlushRestarting {
			t.Errorf("%s does not say what stands in its way", s)
		}
	}
	for _, r := range codes[core.Refusal]() {
		check(r, refusalWords(r, "cache2", "cache1", ""))
		if refusalOf(r.String()) != r {
			t.Errorf("%s is not found by its name", r)
		}
	}
	for r := health.ReasonNone; !strings.HasPrefix(r.String(), "reason("); r++ {
		check(r, healthWords(r))
		if got := instanceWords(r.String()); got != healthWords(r) {
			t.Errorf("instanceWords(%q) = %q", r, got)
		}
	}
}

// TestCodesAreFound guards the walk itself: a set that looks empty would prove nothing.
func TestCodesAreFound(t *testing.T) {
	if n := len(codes[core.Standing]()); n != int(core.OtherHands)+1 {
		t.Errorf("%d standings", n)
	}
	if n := len(codes[core.Homecoming]()); n != int(core.AwayPaused)+1 {
		t.Errorf("%d homecomings", n)
	}
	if n := len(codes[core.AskRefusal]()); n != int(core.AskUnderway)+1 {
		t.Errorf("%d refusals of an ask", n)
	}
	if n := len(codes[core.FlushStage]()); n != int(core.FlushRestarting)+1 {
		t.Errorf("%d flush stages", n)
	}
	if n := len(codes[core.Refusal]()); n != int(core.Reserved)+1 {
		t.Errorf("%d refusals", n)
	}
}

// TestEveryStandingExplainsAHome: whatever keeps a home from its VIP, the report has a code and words.
func TestEveryStandingExplainsAHome(t *testing.T) {
	for _, s := range codes[core.Standing]() {
		for _, h := range codes[core.Homecoming]() {
			c := newCluster()
			c.apply(t, "vip 10.0.0.102 holder=cache3 held=1m")
			c.part("cache2", "10.0.0.102").Standing = s
			c.part("cache2", "10.0.0.102").Coming = h
			checkReport(t, c.report())
		}
	}
}

// TestEveryRoleLeavesItUnserved: whatever the nodes say of themselves, a VIP without a holder is not served.
func TestEveryRoleLeavesItUnserved(t *testing.T) {
	for _, role := range codes[core.Role]() {
		for _, s := range codes[core.Standing]() {
			c := newCluster()
			c.apply(t, "vip 10.0.0.102 holder=nobody")
			c.part("cache3", "10.0.0.102").Role = role
			c.part("cache3", "10.0.0.102").Standing = s
			r := c.report()
			checkReport(t, r)
			if r.Verdict != Unserved {
				t.Errorf("role %s, standing %s: %s", role, s, r.Verdict)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	s := Settings{Lease: 600 * time.Millisecond, Drift: 0.01, Interval: 100 * time.Millisecond, Deadline: 150 * time.Millisecond, Fall: 3}
	b := BoundsOf(s)
	s.Interval = time.Second
	seldom := BoundsOf(s)
	for _, c := range []struct {
		what      string
		got, want time.Duration
	}{
		{"host lost", b.HostLost, 626 * time.Millisecond},            // 606 + 4 + 6 + 10
		{"hung", b.Hung, 565 * time.Millisecond},                     // 100 + 450 + 15
		{"hung, asked seldom", seldom.Hung, 3165 * time.Millisecond}, // 1,000 + 150 + 2,000 + 15
		{"exited", b.Exited, 20 * time.Millisecond},                  // 5 + 15
		{"planned", b.Planned, 15 * time.Millisecond},                // 5 + 10
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
}
