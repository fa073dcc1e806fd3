package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	set, err := parse(nil, io.Discard)
	if err != nil || !slices.Equal(set.real, []int{3, 10, 30, 100}) || !slices.Equal(set.sim, []int{3, 10, 100, 1000}) || set.anew {
		t.Errorf("%+v, %v", set, err)
	}
	set, err = parse([]string{"-real", "", "-sim", "10, 3,10", "-repeats", "2", "-page", "x"}, io.Discard)
	if err != nil || set.real != nil || !slices.Equal(set.sim, []int{3, 10}) || set.repeats != 2 || set.page != "x" {
		t.Errorf("%+v, %v", set, err)
	}
	set, err = parse([]string{"-quick", "-real", "7", "-repeats", "3", "-page", "x"}, io.Discard)
	if err != nil || !slices.Equal(set.real, []int{7}) || !slices.Equal(set.sim, []int{3, 10, 20}) || set.data != dataQuick || !set.anew || set.page != "" || set.repeats != 3 || set.steady != steadyQuick {
		t.Errorf("%+v, %v", set, err)
	}
	if _, err := parse([]string{"-help"}, io.Discard); !errors.Is(err, errHelp) {
		t.Errorf("%v, want %v", err, errHelp)
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-real 2":     "-real",
		"-real 121":   "3 to 120",
		"-sim many":   "many",
		"-repeats 0":  "-repeats",
		"-steady 1ms": "-steady",
		"-unknown":    "unknown",
		"3":           "unexpected",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one of %s", args, err, want)
		}
	}
}
