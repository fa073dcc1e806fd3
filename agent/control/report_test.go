package control

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
)

// TestReports runs the situations of testdata/report: a cluster in which all is well, changed by
// directives (cluster_test.go), and the screen that it gives.
func TestReports(t *testing.T) {
	datadriven.Walk(t, "testdata/report", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c := newCluster()
			for line := range strings.Lines(d.Input) {
				if line = strings.TrimSpace(line); line != "" {
					c.apply(t, line)
				}
			}
			r := c.report()
			checkReport(t, r)
			if d.Cmd == "json" {
				raw, err := json.MarshalIndent(r, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				return string(raw) + "\n"
			}
			return r.Verdict.String() + "\n\n" + screen(t, r, Width, false)
		})
	})
}

// checkReport demands what holds of every report.
func checkReport(t *testing.T, r Report) {
	t.Helper()
	plain := screen(t, r, Width, false)
	for line := range strings.Lines(plain) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > Width {
			t.Errorf("a line is %d columns wide: %q", n, line)
		}
	}
	escapes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	if bare := escapes.ReplaceAllString(screen(t, r, Width, true), ""); bare != plain {
		t.Errorf("colour changes the text:\n%s", cmp.Diff(plain, bare))
	}
	for _, v := range r.VIPs {
		if !v.Served && r.Verdict != Unserved {
			t.Errorf("%s is not served and the verdict is %s", v.Address, r.Verdict)
		}
		if v.WhyCode == "" || !v.AtHome && (v.Why == "" || v.Place == PlaceAway && v.WhyShort == "") {
			t.Errorf("%s at %s has no words: %+v", v.Address, v.Place, v)
		}
	}
	for _, p := range r.Problems {
		if p.Text == "" || p.Code == "" || p.Severity == "" {
			t.Errorf("a problem without words: %+v", p)
		}
		for _, named := range command.FindAllStringSubmatch(p.Text+" "+p.Hint, -1) {
			if !slices.Contains([]string{"status", "explain", "history", "doctor", "handback", "resume", "undrain", "reload", "keys", "check"}, named[1]) {
				t.Errorf("a command that does not exist: %q", p.Text+p.Hint)
			}
		}
	}
	checkRoundTrip(t, r, plain)
}

// command finds what is to be typed.
var command = regexp.MustCompile(`agentctl (\w+)`)

// checkRoundTrip demands that a report read from JSON shows the same screen, and that no list is null.
func checkRoundTrip(t *testing.T, r Report, plain string) {
	t.Helper()
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if got := screen(t, back, Width, false); got != plain {
		t.Errorf("after JSON the screen differs:\n%s", cmp.Diff(plain, got))
	}
	if bytes.Contains(raw, []byte("null")) {
		t.Errorf("null in %s", raw)
	}
}

func screen(t *testing.T, r Report, width int, color bool) string {
	t.Helper()
	var b strings.Builder
	if err := Render(&b, r, width, color); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestReportKeepsNothing: what the caller does to its status afterwards must not change the report.
func TestReportKeepsNothing(t *testing.T) {
	c := newCluster()
	r := c.report()
	before := screen(t, r, Width, false)
	c.status.Counted["lease_lost"] = 99
	c.facts.Members[0].Alive = false
	c.status.Nodes[0].State.VIPs[0].Clean = true
	if r.Counters["lease_lost"] != 2 || !r.Gossip.Members[0].Alive || screen(t, r, Width, false) != before {
		t.Error("the report changed with the status that it was built from")
	}
}

// TestWideNames: names as long as the configuration allows still leave a readable table.
func TestWideNames(t *testing.T) {
	c := newCluster()
	long := strings.Repeat("n", 60) + ".lan"
	old := c.status.Nodes[1].Name
	c.status.Nodes[1].Name, c.status.Nodes[1].State.Node, c.status.Voters[1].Name = long, long, long
	for i := range c.status.VIPs {
		v := &c.status.VIPs[i]
		v.Name = "2001:db8:1234:5678:9abc:def0:1234:5678"
		if v.Home == old {
			v.Home, v.Holder = long, long
		}
	}
	for line := range strings.Lines(screen(t, c.report(), Width, false)) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > Width {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// FuzzRender: whatever an agent sends, the screen has no control characters but line feeds.
func FuzzRender(f *testing.F) {
	seed, err := json.Marshal(newCluster().report())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, 80)
	f.Add([]byte(`{"vips":[{"address":"\u001b[2J","place":"elsewhere"}],"nodes":[{"instances":[{}]}]}`), 1)
	f.Fuzz(func(t *testing.T, raw []byte, width int) {
		var r Report
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		if bad := strings.IndexFunc(screen(t, r, min(width, 1000), false), func(c rune) bool { return c != '\n' && c < ' ' }); bad >= 0 {
			t.Errorf("a control character at byte %d", bad)
		}
	})
}
