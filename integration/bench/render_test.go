package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// What is printed, for samples that testdata writes one a line:
//
//	FAULT [arp=MS] [moved=MS] [open=MS] [closed=MS] [failed=N,N] [seen=MS] [doubled=MS] [home=MS] [stall=MS] [load=F]
//	      [problem=KIND]
//
// A sample without "moved" was not served again.
func TestRender(t *testing.T) {
	datadriven.Walk(t, "testdata/render", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "report":
				out := render(readResult(t, d))
				for line := range strings.Lines(out) {
					if n := len(strings.TrimSuffix(line, "\n")); n > pageWidth {
						d.Fatalf(t, "%d columns: %s", n, line)
					}
				}
				return out
			case "progress":
				var b strings.Builder
				for i, s := range readResult(t, d).Samples {
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

func readResult(t *testing.T, d *datadriven.TestData) result {
	set := settings{faults: faults, runs: 2, fillBytes: fillDefault, linger: lingerWhole}
	r := result{
		Machine:  machine{Cores: 2, CPU: "Imaginary 3000", Memory: "24 GiB", Kernel: "Linux 6.18.0", Load: 0.5, Root: true},
		Versions: versions{Agent: "v1", Memcached: "1.6.18"},
		Settings: describe(set), LoadAtEnd: 1, faults: set.faults, set: set,
	}
	d.MaybeScanArgs(t, "planned", &r.Planned)
	if d.HasArg("connector") {
		r.Versions.Detector = connectorWords
	}
	if d.HasArg("without") {
		r.Versions.Detector = "connection end"
	}
	if d.HasArg("fallback") {
		r.Versions.Fallback = "connection end"
	}
	runs := map[string]int{}
	for line := range strings.Lines(d.Input) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		runs[name]++
		s := sample{Fault: name, Run: runs[name], VIP: "10.77.0.101", From: "cache1"}
		for _, field := range strings.Fields(rest) {
			readField(t, d, &s, field)
		}
		r.Samples = append(r.Samples, s)
	}
	return r
}

func readField(t *testing.T, d *datadriven.TestData, s *sample, field string) {
	key, text, _ := strings.Cut(field, "=")
	number := func(text string) millis {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			d.Fatalf(t, "%s: %v", field, err)
		}
		return millis(f)
	}
	known := func() *millis {
		v := number(text)
		return &v
	}
	switch key {
	case "arp":
		s.FirstARP = known()
	case "moved":
		s.Open.Moved, s.To = known(), "cache2"
	case "open":
		s.Open.Outage = number(text)
	case "closed":
		s.Closed.Outage = number(text)
	case "failed":
		open, closed, _ := strings.Cut(text, ",")
		s.Open.Failed, s.Closed.Failed = int(number(open)), int(number(closed))
	case "seen":
		s.Closed.TwoHosts = number(text)
	case "doubled":
		s.Doubled = number(text)
	case "home":
		s.Open.Home = known()
	case "stall":
		s.Open.Stall = number(text)
	case "stale":
		s.Stale = int(number(text))
	case "load":
		s.Load = float64(number(text))
	case "problem":
		s.add(problemKind(text), "the words of "+text)
	default:
		d.Fatalf(t, "unknown field %q", field)
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[millis]string{
		0: "0", 0.04: "0.0", 0.26: "0.3", 9.96: "10.0", 99.94: "99.9", 99.96: "100", 100.4: "100", 2622.6: "2623", 30000: "30000",
	} {
		if got := figure(v); got != want || len(got) >= figureWidth {
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
