package main

import (
	"maps"
	"testing"
	"time"

	"memvip/integration/lab"
)

func at(ms int) lab.Instant { return lab.Instant(time.Duration(ms) * time.Millisecond) }

func TestHandBackCountsFromTheStandInsLastAnswer(t *testing.T) {
	turn := func(host string, last int) lab.Turn { return lab.Turn{Host: host, Last: at(last)} }
	for _, tt := range []struct {
		name  string
		turns []lab.Turn
		want  lab.Instant
	}{
		{"home after the stand-in", []lab.Turn{turn("b", 30), turn("a", 90)}, at(30)},
		{"the stand-in once more: from its first farewell", []lab.Turn{turn("b", 30), turn("a", 40), turn("b", 50), turn("a", 90)}, at(30)},
		{"home at once", []lab.Turn{turn("a", 90)}, at(7)},
		{"nobody", nil, at(7)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := lastOf(tt.turns, "b", at(7)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFailuresCountByWhenTheyWereBegun(t *testing.T) {
	failed := []lab.Failed{
		{Begun: at(9), At: at(20), Why: lab.FailureReset},
		{Begun: at(10), At: at(10), Why: lab.FailureReset},
		{Begun: at(15), At: at(15), Why: lab.FailureRefused},
		{Begun: at(20), At: at(1020), Why: lab.FailureTimeout},
		{Begun: at(19), At: at(1019), Why: lab.FailureTimeout},
		{Begun: at(21), At: at(22), Why: lab.FailureTimeout},
	}
	got := byReason(failed, window{at(10), at(20)})
	if want := map[string]int{"reset": 1, "refused": 1, "timeout": 2}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhatBreaksAPromise(t *testing.T) {
	for _, tt := range []struct {
		kind   problemKind
		breaks bool
	}{
		{problemStale, true},
		{problemDouble, true},
		{problemUnserved, true},
		{problemMoved, false},
	} {
		var s sample
		s.add(tt.kind, "words")
		if got := len(s.broken()) > 0; got != tt.breaks {
			t.Errorf("%s: breaks a promise: %v, want %v", tt.kind, got, tt.breaks)
		}
		if !s.puzzling() {
			t.Errorf("%s: nobody wants the logs", tt.kind)
		}
	}
}

func TestHowLongAFaultLasts(t *testing.T) {
	set := settings{linger: lingerWhole}
	if lasting(fault{lingers: true}, set) != lingerWhole || lasting(fault{}, set) != calm {
		t.Error("only what lingers lasts as long as the settings say")
	}
}
