package lab

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testVIP = netip.MustParseAddr("10.77.0.101")

const msec = Instant(time.Millisecond)

// answersAt writes a history: host letter, instant sent, instant answered, in ms.
type said struct {
	host     string
	sent, at Instant
}

func recordOf(history []said) *Record {
	r := newRecord([]netip.Addr{testVIP})
	for _, s := range history {
		server := r.server(Server{Host: s.host, PID: int(s.host[0])})
		r.answered(0, Answer{Sent: s.sent * msec, At: s.at * msec, server: server}, commandSet, verdictCurrent)
	}
	return r
}

func TestOutageArithmetic(t *testing.T) {
	d := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	tests := []struct {
		name         string
		history      []said
		since, until Instant
		want         Outage
	}{
		{
			name:  "nobody ever",
			since: 10, until: 50,
			want: Outage{Gap: d(40), GapStart: 10 * msec, GapOpen: true},
		},
		{
			name:    "no fault at all",
			history: []said{{"a", 1, 1}, {"a", 2, 2}, {"a", 3, 3}, {"a", 4, 4}},
			since:   2, until: 4,
			want: Outage{From: "a", Gap: d(1), GapStart: 2 * msec},
		},
		{
			name:    "moved: last success to first success, from before the fault",
			history: []said{{"a", 8, 9}, {"b", 40, 41}, {"b", 42, 43}},
			since:   10, until: 43,
			want: Outage{From: "a", To: "b", Gap: d(32), GapStart: 9 * msec, Moved: d(31)},
		},
		{
			name:    "the old host goes on for a while: lost little, moved late",
			history: []said{{"a", 9, 9}, {"a", 30, 30}, {"a", 50, 50}, {"b", 75, 75}, {"b", 76, 76}},
			since:   10, until: 76,
			want: Outage{From: "a", To: "b", Gap: d(25), GapStart: 50 * msec, Moved: d(65)},
		},
		{
			name:    "never back",
			history: []said{{"a", 9, 9}},
			since:   10, until: 100,
			want: Outage{From: "a", Gap: d(91), GapStart: 9 * msec, GapOpen: true},
		},
		{
			name:    "an answer under way when the new host spoke is no turn",
			history: []said{{"a", 9, 9}, {"b", 20, 21}, {"a", 20, 22}, {"b", 23, 24}},
			since:   10, until: 24,
			want: Outage{From: "a", To: "b", Gap: d(12), GapStart: 9 * msec, Moved: d(11)},
		},
		{
			name:    "a request sent after the new host spoke and answered by the old one is",
			history: []said{{"a", 9, 9}, {"b", 20, 21}, {"a", 22, 23}, {"b", 24, 25}, {"a", 26, 29}, {"b", 30, 31}},
			since:   10, until: 31,
			want: Outage{From: "a", To: "b", Gap: d(12), GapStart: 9 * msec, Moved: d(11), Turns: 2, TurnsFor: d(8)},
		},
		{
			name:    "what comes after the window does not count",
			history: []said{{"a", 9, 9}, {"b", 20, 20}, {"a", 90, 90}},
			since:   10, until: 20,
			want: Outage{From: "a", To: "b", Gap: d(11), GapStart: 9 * msec, Moved: d(10)},
		},
		{
			name:    "a gap that the window's end cuts is open",
			history: []said{{"a", 9, 9}, {"a", 11, 11}, {"a", 90, 90}},
			since:   10, until: 60,
			want: Outage{From: "a", Gap: d(49), GapStart: 11 * msec, GapOpen: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.VIP, tt.want.Since, tt.want.Until = testVIP, tt.since*msec, tt.until*msec
			got := recordOf(tt.history).Outage(testVIP, tt.since*msec, tt.until*msec)
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("outage (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutageCountsFailuresAndStaleReadsOfTheWindow(t *testing.T) {
	r := recordOf([]said{{"a", 9, 9}, {"b", 40, 40}})
	for _, at := range []Instant{5, 11, 12, 90} {
		r.failed(0, Failed{Begun: at * msec, At: (at + 1) * msec, Why: FailureTimeout})
		r.sawStale(0, StaleRead{At: at * msec})
	}
	o := r.Outage(testVIP, 10*msec, 50*msec)
	if o.Failed != 2 || o.Stale != 2 {
		t.Errorf("failed %d, stale %d, want 2 and 2", o.Failed, o.Stale)
	}
	if n := r.Totals(testVIP).Failures(); n != 4 {
		t.Errorf("%d failures in all, want 4", n)
	}
	if n := len(r.Stale(10*msec, 50*msec)); n != 2 {
		t.Errorf("%d stale reads listed, want 2", n)
	}
}

func TestTurns(t *testing.T) {
	r := recordOf([]said{{"a", 1, 1}, {"a", 2, 2}, {"b", 3, 3}, {"a", 4, 4}, {"a", 5, 5}})
	want := []Turn{
		{Host: "a", First: 2 * msec, Last: 2 * msec, Answers: 1},
		{Host: "b", First: 3 * msec, Last: 3 * msec, Answers: 1},
		{Host: "a", First: 4 * msec, Last: 5 * msec, Answers: 2},
	}
	if diff := cmp.Diff(want, r.Turns(testVIP, 2*msec, 9*msec)); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}

func TestForgetKeepsTheLastAnswer(t *testing.T) {
	r := recordOf([]said{{"a", 1, 1}, {"a", 2, 2}, {"b", 9, 9}})
	r.Forget(5 * msec)
	o := r.Outage(testVIP, 5*msec, 9*msec)
	if o.From != "a" || o.To != "b" || o.Gap != 7*time.Millisecond {
		t.Errorf("after Forget: %v, want a to b with a gap of 7 ms", o)
	}
	if got := r.Totals(testVIP).Answers; got != 3 {
		t.Errorf("totals shrank to %d answers, want 3", got)
	}
}
