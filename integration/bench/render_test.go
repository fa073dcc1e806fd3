package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
)

// What is printed, for results that testdata writes one a line:
//
//	CONTENDER FAULT [arp=MS] [moved=MS] [open=MS] [closed=MS] [patient=MS] [failed=N,N] [seen=MS] [doubled=MS] [home=MS]
//	      [stall=MS] [stale=N] [settled=MS] [load=F] [problem=KIND]
//	CONTENDER steady|steady-clients cpu=F scripts=F rss=F sent=F
//	CONTENDER burn moves=N gap=MS
//
// A sample without "moved" was not served again.
func TestRender(t *testing.T) {
	datadriven.Walk(t, "testdata/render", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "report":
				out := render(readResults(t, d))
				for line := range strings.Lines(out) {
					if n := utf8.RuneCountInString(line) - 1; n > pageWidth && !strings.HasPrefix(line, "|") {
						d.Fatalf(t, "%d columns: %s", n, line)
					}
				}
				return out
			case "progress":
				var b strings.Builder
				for i, s := range readResults(t, d).Runs {
					fmt.Fprintln(&b, progressLine(s, i+1, 3, 10*time.Second))
				}
				return b.String()
			default:
				d.Fatalf(t, "unknown command %q", d.Cmd)
				return ""
			}
		})
	})
}

func readResults(t *testing.T, d *datadriven.TestData) results {
	set := settings{fillBytes: fillDefault << 20, linger: lingerWhole}
	r := begun(set, somewhere, versions{Agent: "v1", Memcached: "1.6.18", Realtime: !d.HasArg("ordinary")})
	if d.HasArg("connector") {
		r.Versions.Detector = connectorWords
	}
	if d.HasArg("without") {
		r.Versions.Detector = "connection end"
	}
	if d.HasArg("fallback") {
		r.Versions.Fallback = "connection end"
	}
	for line := range strings.Lines(d.Input) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			d.Fatalf(t, "%q", line)
		}
		readLine(t, d, &r, fields[0], fields[1], fields[2:])
	}
	for _, c := range contenders {
		if strings.Contains(d.Input, c.name+" ") {
			r.Contenders[c.name] = c.describe()
			if !c.ours() {
				r.Versions.Keepalived = "2.2.7"
			}
		}
	}
	return r
}

func readLine(t *testing.T, d *datadriven.TestData, r *results, contender, what string, fields []string) {
	values := map[string]float64{}
	for _, field := range fields {
		if key, text, _ := strings.Cut(field, "="); !strings.Contains(text, ",") && key != "problem" {
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				d.Fatalf(t, "%s: %v", field, err)
			}
			values[key] = f
		}
	}
	switch what {
	case "burn":
		r.Burns = append(r.Burns, slice{Contender: contender, Seconds: 60, Moves: int(values["moves"]), Gap: millis(values["gap"]), Operations: 1000})
	case "steady", "steady-clients":
		h := share{CPU: values["cpu"], Scripts: values["scripts"], RSS: values["rss"], Sent: rate{values["sent"], 100 * values["sent"]}}
		r.Steady = append(r.Steady, cost{Contender: contender, Clients: what != "steady", Seconds: 60, Hosts: []share{h}, Load: 0.25})
	default:
		some, err := choose("fault", what, faults)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		r.Faults[what] = some[0].words(settings{fillBytes: fillDefault << 20, linger: lingerWhole})
		s := sample{Contender: contender, Fault: what, Run: len(r.of(contender, what)) + 1, VIP: "10.77.0.101", From: "cache1"}
		readSample(d, &s, fields, values)
		r.Runs = append(r.Runs, s)
	}
}

func readSample(d *datadriven.TestData, s *sample, fields []string, values map[string]float64) {
	known := func(key string) *millis {
		v, ok := values[key]
		if !ok {
			return nil
		}
		ms := millis(v)
		return &ms
	}
	s.FirstARP, s.Open.Moved, s.Open.Home = known("arp"), known("moved"), known("home")
	if s.Open.Moved != nil {
		s.To = "cache2"
	}
	s.Open.Outage, s.Closed.Outage, s.Patient.Outage = millis(values["open"]), millis(values["closed"]), millis(values["patient"])
	s.Closed.TwoHosts, s.Doubled, s.Open.Stall = millis(values["seen"]), millis(values["doubled"]), millis(values["stall"])
	s.Stale, s.Load, s.Settled = int(values["stale"]), values["load"], millis(values["settled"])
	for _, field := range fields {
		key, text, _ := strings.Cut(field, "=")
		switch key {
		case "failed":
			fmt.Sscanf(text, "%d,%d", &s.Open.Failed, &s.Closed.Failed)
		case "problem":
			s.add(problemKind(text), "the words of "+text)
		}
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[millis]string{
		0: "0", 7: "7", 0.04: "0.0", 0.26: "0.3", 9.96: "10.0", 99.94: "99.9", 99.96: "100", 100.4: "100", 2622.6: "2623", 30000: "30000",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v is shown as %q, want %q", float64(v), got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "\n"},
		{"one two", "one two\n"},
		{"one two three four", "one two\n  three\n  four\n"},
		{"exactly ten", "exactly\n  ten\n"},
		{"ab cdefghi", "ab cdefghi\n"},
		{"unbreakable-word x", "unbreakable-word\n  x\n"},
	} {
		if got := wrap(tt.text, 10, "  "); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}
