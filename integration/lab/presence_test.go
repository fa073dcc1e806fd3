package lab

import (
	"testing"
	"time"
)

func TestPresenceOverlap(t *testing.T) {
	// A round is asked every 10 ms from 0 on; each host's answers are given in ms.
	tests := []struct {
		name         string
		answers      [][]Instant
		since, until Instant
		want         time.Duration
	}{
		{name: "one host", answers: [][]Instant{{0, 10, 20, 30}, nil}, until: 100},
		{name: "moved between rounds", answers: [][]Instant{{0, 10, 20}, {30, 40, 50}}, until: 100},
		{name: "both answer one round while the address moves", answers: [][]Instant{{0, 10, 20}, {26, 30, 40}}, until: 100},
		{name: "both answer for 20 ms", answers: [][]Instant{{0, 10, 20, 30, 40}, {21, 30, 41}}, until: 100, want: 19 * time.Millisecond},
		{name: "only inside the window", answers: [][]Instant{{0, 10, 20, 30, 40}, {0, 10, 20, 30, 40}}, since: 15, until: 32, want: 17 * time.Millisecond},
		{name: "went and came back", answers: [][]Instant{{0, 10, 50, 60}, {20, 30, 40}}, until: 100},
		{name: "three at once count once", answers: [][]Instant{{0, 10, 20}, {0, 10, 20}, {0, 10, 20}}, until: 100, want: 20 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lists [][]stretch
			for _, answers := range tt.answers {
				var p presence
				for round := Instant(0); round <= 100; round += 10 {
					p.asked(round * msec)
				}
				for _, at := range answers {
					p.answered(at * msec)
				}
				lists = append(lists, p.stretches)
			}
			if got := overlap(lists, tt.since*msec, tt.until*msec); got != tt.want {
				t.Errorf("overlap %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPresenceForget(t *testing.T) {
	var p presence
	for round := Instant(0); round <= 50; round += 10 {
		p.asked(round * msec)
		if round != 20 && round != 30 {
			p.answered(round*msec + 1)
		}
	}
	p.forget(35 * msec)
	p.asked(60 * msec)
	p.answered(60*msec + 1)
	if n := len(p.stretches); n != 1 || p.stretches[0].first != 40*msec+1 || p.stretches[0].last != 60*msec+1 {
		t.Errorf("stretches %+v, want one from 40 ms to 60 ms", p.stretches)
	}
}
