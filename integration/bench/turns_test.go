package main

import (
	"slices"
	"testing"
	"time"

	"memvip/integration/lab"
)

func TestTwoHostsInTurnsOrMovedTwice(t *testing.T) {
	// Each turn lasts as many milliseconds as it is given, the next one begins 10 ms later.
	story := func(turns ...any) []lab.Turn {
		var list []lab.Turn
		now := 0
		for i := 0; i < len(turns); i += 2 {
			length := turns[i+1].(int)
			list = append(list, lab.Turn{Host: turns[i].(string), First: at(now), Last: at(now + length)})
			now += length + 10
		}
		return list
	}
	for _, tt := range []struct {
		name    string
		turns   []lab.Turn
		doubled bool
		want    bool
	}{
		{"nobody", nil, false, false},
		{"one host, whatever ARP saw: no client was led astray", story("a", 500), true, false},
		{"one move", story("a", 3, "b", 500), true, false},
		{"there and back, slowly", story("a", 300, "b", 2000, "a", 300), false, false},
		{"there and back, slowly, and ARP saw both", story("a", 300, "b", 2000, "a", 300), true, true},
		{"for a moment", story("a", 300, "b", 20, "a", 300), false, true},
		{"just as long as it cannot take", story("a", 300, "b", 99, "a", 300), false, true},
		{"just as long as it can", story("a", 300, "b", 100, "a", 300), false, false},
		{"a third host for a moment: moved twice", story("a", 300, "b", 20, "c", 300), false, false},
		{"a short turn at either end", story("a", 1, "b", 500, "a", 1), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := inTurns(tt.turns, tt.doubled); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if gap, ok := change(story("a", 300, "b", 20, "a", 9)); !ok || gap != 10*time.Millisecond {
		t.Errorf("gap %v, %v, want 10ms", gap, ok)
	}
	if _, ok := change(story("a", 300)); ok {
		t.Error("a gap where nothing changed")
	}
	got := itinerary(story("a", 300, "b", 20))
	if want := []string{"a 300ms", "b 20ms"}; !slices.Equal(got, want) {
		t.Errorf("itinerary %v, want %v", got, want)
	}
}
