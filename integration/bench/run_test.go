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

func TestMachine(t *testing.T) {
	const cpuinfo = "processor\t: 0\nmodel name\t: Imaginary 3000 @ 2 GHz\nflags\t\t: fpu\nmodel name\t: Other\n"
	if got := modelName(cpuinfo); got != "Imaginary 3000 @ 2 GHz" {
		t.Errorf("model name %q", got)
	}
	if got := modelName("no such thing"); got != "" {
		t.Errorf("model name %q, want none", got)
	}
	if got := firstFloat("1.25 0.7 0.3 2/180 77\n"); got != 1.25 {
		t.Errorf("load average %v", got)
	}
	for uidMap, want := range map[string]bool{
		"         0          0 4294967295\n": true,
		"         0       1000          1\n": false,
		"0 0 1\n":                            false, "": false,
	} {
		if allUsers(uidMap) != want {
			t.Errorf("uid_map %q is the machine's own: %v, want %v", uidMap, !want, want)
		}
	}
	if m := lookAround(); m.Cores < 1 || m.Kernel == "" {
		t.Errorf("this machine: %+v", m)
	}
}
