package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

func TestTable(t *testing.T) {
	rows := []row{
		{step: "cluster starts", what: "all at home in 5.4 s"},
		{step: "memcached killed", what: ".101 cache1 -> cache3", moved: true, outage: 18_700 * time.Microsecond, firstARP: 17 * ms, announced: true, counted: true, failed: 17},
		{step: "cache2 cut off", what: ".102 cache2 -> cache1", moved: true, outage: 612 * ms, counted: true, failed: 590, stale: 3, doubled: 20 * ms},
		{step: "cut healed", what: ".102 not home again", counted: true},
	}
	want := strings.TrimPrefix(`
                                         OUTAGE  1st ARP  FAILED  STALE  2 HOSTS
STEP              WHAT HAPPENED              ms       ms     ops  reads       ms
cluster starts    all at home in 5.4 s        -        -       -      0        0
memcached killed  .101 cache1 -> cache3    18.7     17.0      17      0        0
cache2 cut off    .102 cache2 -> cache1     612        -     590      3     20.0
cut healed        .102 not home again         -        -       0      0        0
`, "\n")
	got := strings.Join(tableLines(rows), "\n") + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Whatever a step has to say, its line keeps to the width, and the figures stay whole.
func TestTableIsCutToWidth(t *testing.T) {
	r := row{step: "memcached killed", what: strings.Repeat("grün ", 30), moved: true, outage: 1234567 * ms, announced: true,
		firstARP: 1234567 * ms, counted: true, failed: 1234567, stale: 1234567, doubled: 1234567 * ms}
	for _, l := range tableLines([]row{r}) {
		if n := utf8.RuneCountInString(l); n > width {
			t.Errorf("%d columns: %q", n, l)
		}
	}
	last := tableLines([]row{r})[2]
	if n := strings.Count(last, "1234567"); n != 5 {
		t.Errorf("%d of 5 figures are whole: %q", n, last)
	}
	if !strings.Contains(last, "~") {
		t.Errorf("no sign of the cut: %q", last)
	}
}

func TestFigure(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0"},
		{40 * time.Microsecond, "0.0"},
		{1540 * time.Microsecond, "1.5"},
		{99_940 * time.Microsecond, "99.9"},
		{99_960 * time.Microsecond, "100"},
		{2600 * ms, "2600"},
	} {
		if got := figure(true, c.d); got != c.want {
			t.Errorf("%s: got %q, want %q", c.d, got, c.want)
		}
	}
	if got := figure(false, ms); got != "-" {
		t.Errorf("unknown: got %q", got)
	}
}

// The table as the story can fill it: no name of a step is so long that a row would have to be cut.
func TestStoryFitsTheTable(t *testing.T) {
	var rows []row
	for _, s := range story {
		rows = append(rows, row{step: s.name, what: ".102 cache2 -> cache1", moved: true, outage: 3 * time.Second, announced: true, firstARP: 3 * time.Second, counted: true, failed: 99999})
	}
	for _, l := range tableLines(rows) {
		if strings.Contains(l, "~") || utf8.RuneCountInString(l) > width {
			t.Errorf("does not fit: %q", l)
		}
	}
}
