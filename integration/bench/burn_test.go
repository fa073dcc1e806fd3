package main

import (
	"testing"
	"time"

	"memvip/integration/lab"
)

func TestStretches(t *testing.T) {
	for _, tt := range []struct {
		total, each time.Duration
		n           int
	}{
		{0, 0, 0},
		{20 * time.Second, 20 * time.Second, 1},
		{time.Minute, time.Minute, 1},
		{90 * time.Second, time.Minute, 2},
		{30 * time.Minute, time.Minute, 30},
	} {
		if n, each := stretches(tt.total); n != tt.n || each != tt.each {
			t.Errorf("%s: %d of %s, want %d of %s", tt.total, n, each, tt.n, tt.each)
		}
	}
}

func TestAnnouncedMoves(t *testing.T) {
	for _, tt := range []struct {
		by   []string
		want int
	}{
		{nil, 0},
		{[]string{"a", "a"}, 0},
		{[]string{"b"}, 1},
		{[]string{"a", "b", "b", "a"}, 2},
		{[]string{"b", "a", "c"}, 3},
	} {
		var all []lab.Announcement
		for _, h := range tt.by {
			all = append(all, lab.Announcement{Host: h})
		}
		if got := announcedMoves(all, "a"); got != tt.want {
			t.Errorf("%v: %d moves, want %d", tt.by, got, tt.want)
		}
	}
}

func TestSlicesAddUp(t *testing.T) {
	r := results{Burns: []slice{
		{Contender: nameLimit, Seconds: 60, Moves: 1, Flips: 2, Gap: 30, Stall: 3, Doubled: 4, Stale: 5, Operations: 100, Failed: 6},
		{Contender: nameMemvip, Seconds: 60, Gap: 7},
		{Contender: nameLimit, Seconds: 60, Moves: 10, Flips: 20, Gap: 20, Stall: 30, Doubled: 40, Stale: 50, Operations: 1000, Failed: 60},
	}}
	got := r.strains()
	if len(got) != 2 || got[0].Contender != nameMemvip || got[0].slices != 1 || got[0].Gap != 7 {
		t.Fatalf("%+v", got)
	}
	want := slice{Contender: nameLimit, Seconds: 120, Moves: 11, Flips: 22, Gap: 30, Stall: 30, Doubled: 44, Stale: 55, Operations: 1100, Failed: 66}
	if got[1].slice != want || got[1].slices != 2 {
		t.Errorf("got %+v, want %+v", got[1], want)
	}
}
