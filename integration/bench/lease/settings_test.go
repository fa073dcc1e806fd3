package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	set, err := parse(nil, io.Discard)
	if err != nil || len(set.leases) != 6 || len(set.stresses) != len(stresses) || len(set.classes) != 2 || set.time != 10*time.Minute || set.anew {
		t.Errorf("%+v, %v", set, err)
	}
	set, err = parse([]string{"-leases", "600, 200,600", "-stress", "cpu,none", "-class", "ordinary", "-minutes", "0.5", "-together", "2"}, io.Discard)
	if err != nil || !slices.Equal(set.leases, []time.Duration{200 * time.Millisecond, 600 * time.Millisecond}) || set.time != 30*time.Second ||
		len(set.stresses) != 2 || set.stresses[0].name != "none" || !slices.Equal(set.classes, []class{ordinaryClass}) || set.together != 2 {
		t.Errorf("%+v, %v", set, err)
	}
	set, err = parse([]string{"-quick", "-leases", "300", "-page", "BENCHMARKS.md"}, io.Discard)
	if err != nil || len(set.leases) != 1 || set.slice != sliceQuick || set.data != dataQuick || !set.anew || set.page != "" {
		t.Errorf("%+v, %v", set, err)
	}
	if _, err := parse([]string{"-help"}, io.Discard); !errors.Is(err, errHelp) {
		t.Errorf("%v, want %v", err, errHelp)
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-leases 100":         "200 to 5000",
		"-leases fast":        "fast",
		"-stress sun":         "sun",
		"-class none":         "none",
		"-slice 1h":           "-minutes",
		"-slice 1ms":          "-slice",
		"-together 0":         "-together",
		"-unknown":            "unknown",
		"lease":               "lease",
		"-minutes 0 -slice 0": "-slice",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one of %s", args, err, want)
		}
	}
}

// Each name is one stress, and nothing is asked of a lease that is worse than what it has to bear.
func TestStresses(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range stresses {
		if seen[s.name] || s.what == "" {
			t.Errorf("%q is there twice, or says nothing", s.name)
		}
		seen[s.name] = true
		if s.daily && s.loss > 50 {
			t.Errorf("%s: %d of 1000 packets lost are no ordinary day", s.name, s.loss)
		}
	}
}
