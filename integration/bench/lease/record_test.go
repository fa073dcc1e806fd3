package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/integration/bench/keep"
	"memvip/integration/bench/machine"
)

func TestRecordIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.json")
	var r, got record
	if err := r.begin(machine.Machine{Cores: 2}, "v1", "1.6"); err != nil {
		t.Fatal(err)
	}
	c := cell{600, unitClass, "cpu"}
	r.Slices = []slice{{cell: c, Begun: time.Unix(1000, 0).UTC(), Seconds: 20, Lost: 1, Left: []share{{0.5, 3}}}, {cell: c, Seconds: 10}}
	if err := keep.Save(path, r); err != nil {
		t.Fatal(err)
	}
	err := keep.Load(path, &got)
	if diff := cmp.Diff(r, got, cmp.AllowUnexported(slice{})); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if seen := got.seen()[c]; seen != 30*time.Second {
		t.Errorf("looked at for %s, want 30s", seen)
	}
	if err := got.begin(machine.Machine{}, "v2", "1.6"); err == nil || !strings.Contains(err.Error(), "-data") {
		t.Errorf("figures of two builds may be mixed: %v", err)
	}
}
