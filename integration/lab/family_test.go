package lab

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = "4711 (a ) b (c) S 17 4711 1 0 -1 4194560 1 2 3 4 5 6 70 8 20 0 1 0 100 200 300\n"
	got, err := parseStat(line)
	if want := (procStat{parent: 17, buried: 780 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "1 (x) S 1 2", "1 (x) S no 4711 1 0 -1 4194560 1 2 3 4 5 6 70 8 20"} {
		if got, err := parseStat(bad); err == nil {
			t.Errorf("%q: %+v, want an error", bad, got)
		}
	}
}
