package main

import (
	"io"
	"slices"
	"testing"
	"time"
)

func planOf(t *testing.T, args ...string) settings {
	t.Helper()
	set, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// walk pays all visits until none is left, and counts the turns of each combination.
func walk(t *testing.T, set settings) map[cell]int {
	t.Helper()
	seen, turns := map[cell]time.Duration{}, map[cell]int{}
	for n := 0; ; n++ {
		visits := round(set, seen, n)
		if len(visits) == 0 {
			return turns
		}
		if n > 100 {
			t.Fatal("it never ends")
		}
		for _, v := range visits {
			for _, s := range v.turns {
				for _, l := range v.leases {
					c := cellOf(l, v.class, s)
					if s.gc != v.gc {
						t.Fatalf("%s has its turn among agents with the wrong environment", s.name)
					}
					seen[c] += set.slice
					turns[c]++
				}
			}
		}
	}
}

// Every combination has as many turns as fit, however many leases are looked at together.
func TestRounds(t *testing.T) {
	for _, together := range []string{"1", "4", "100"} {
		set := planOf(t, "-minutes", "1", "-slice", "20s", "-together", together)
		turns := walk(t, set)
		if want := len(set.leases) * len(set.stresses) * len(set.classes); len(turns) != want {
			t.Errorf("%s together: %d combinations, want %d", together, len(turns), want)
		}
		for c, n := range turns {
			if n != 3 {
				t.Errorf("%s together: %v has %d turns, want 3", together, c, n)
			}
		}
	}
}

// Rounds begin with another lab, and within it with another stress.
func TestTurns(t *testing.T) {
	set := planOf(t, "-minutes", "10")
	one, two := round(set, nil, 0), round(set, nil, 1)
	if one[0].String() == two[0].String() || one[0].turns[0].name == two[len(two)-1].turns[0].name {
		t.Errorf("two rounds begin alike: %v %s, %v %s", one[0], one[0].turns[0].name, two[0], two[0].turns[0].name)
	}
	if got := turned([]int{1, 2, 3}, 4); !slices.Equal(got, []int{2, 3, 1}) {
		t.Errorf("turned by 4: %v", got)
	}
	if got := turned([]int{}, 4); len(got) != 0 {
		t.Errorf("nothing turned: %v", got)
	}
}

// What was looked at for long enough is left out, and nothing else.
func TestGoesOn(t *testing.T) {
	set := planOf(t, "-minutes", "1", "-leases", "600", "-class", "unit", "-stress", "none,cpu")
	seen := map[cell]time.Duration{{600, unitClass, "none"}: time.Minute, {600, unitClass, "cpu"}: time.Minute - 1}
	visits := round(set, seen, 0)
	if len(visits) != 1 || len(visits[0].turns) != 1 || visits[0].turns[0].name != "cpu" {
		t.Errorf("%v, want one turn of cpu", visits)
	}
}
