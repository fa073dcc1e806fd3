package health

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// epoch is an arbitrary beginning for the Judge's times.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// TestJudge runs the scenarios of testdata/judge. "new" makes a judge; each line of "observe" is a time after the
// beginning, a kind, an outcome, and perhaps sent=TIME (else the same time) and xN every=TIME. What is printed are the
// changes, or how often nothing changed.
func TestJudge(t *testing.T) {
	datadriven.Walk(t, "testdata/judge", func(t *testing.T, path string) {
		var j *Judge
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				fall, rise, workers := 3, 3, 4
				d.MaybeScanArgs(t, "fall", &fall)
				d.MaybeScanArgs(t, "rise", &rise)
				d.MaybeScanArgs(t, "workers", &workers)
				j = NewJudge(fall, rise)
				j.SetWorkers(workers)
				return "ok\n"
			case "observe":
				return observeLines(t, j, d.Input)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

func observeLines(t *testing.T, j *Judge, input string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(input) {
		o, times, every := parseObservation(t, strings.Fields(line))
		for range times {
			if change := j.Observe(o); change != NoChange {
				v := j.Verdict()
				fmt.Fprintf(&out, "%v %v: %v, %v since %v\n", o.At.Sub(epoch), change, v.State, v.Reason, v.Since.Sub(epoch))
			}
			o.At, o.Sent = o.At.Add(every), o.Sent.Add(every)
		}
	}
	if out.Len() == 0 {
		return fmt.Sprintf("nothing: %v, %v, inquiring=%t overdue=%d\n",
			j.Verdict().State, j.Verdict().Reason, j.Inquiring(), j.Overdue())
	}
	return out.String()
}

func parseObservation(t *testing.T, words []string) (o Observation, times int, every time.Duration) {
	t.Helper()
	if len(words) < 3 {
		t.Fatalf("want TIME KIND OUTCOME, got %q", words)
	}
	at := parseDuration(t, words[0])
	o = Observation{Kind: parseName(t, words[1], Process), Outcome: parseName(t, words[2], Replaced), At: epoch.Add(at), Sent: epoch.Add(at)}
	times, every = 1, 100*time.Millisecond
	for _, word := range words[3:] {
		value, isSent := strings.CutPrefix(word, "sent=")
		count, isTimes := strings.CutPrefix(word, "x")
		period, isEvery := strings.CutPrefix(word, "every=")
		switch {
		case isSent:
			o.Sent = epoch.Add(parseDuration(t, value))
		case isEvery:
			every = parseDuration(t, period)
		case isTimes:
			var err error
			if times, err = strconv.Atoi(count); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	return o, times, every
}

func parseDuration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// parseName finds the value up to last whose String is name.
func parseName[T interface {
	~int
	fmt.Stringer
}](t *testing.T, name string, last T) T {
	t.Helper()
	for v := T(0); v <= last; v++ {
		if v.String() == name {
			return v
		}
	}
	t.Fatalf("unknown name %q", name)
	return 0
}

func TestReasonsAreAClosedSet(t *testing.T) {
	seen := make(map[string]bool)
	for r := ReasonNone; r <= ReasonLogin; r++ {
		if s := r.String(); seen[s] || strings.Contains(s, "(") {
			t.Errorf("reason %d is called %q", int(r), s)
		} else {
			seen[s] = true
		}
	}
	if s := (ReasonLogin + 1).String(); !strings.Contains(s, "(") {
		t.Errorf("there is a reason %q after the last", s)
	}
	for o := Answered; o <= Replaced; o++ {
		if failed := !o.alive() && o != Settled && o != Lost; failed && o.reason() == ReasonNone {
			t.Errorf("%v has no reason", o)
		}
	}
}
