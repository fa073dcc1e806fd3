package main

import (
	"encoding/json"
	"testing"

	"github.com/cockroachdb/datadriven"

	"memvip/integration/bench/machine"
)

// What is printed for a record, whose rows testdata writes as they are kept.
func TestRender(t *testing.T) {
	datadriven.Walk(t, "testdata/render", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "report" {
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			r := record{Machine: machine.Machine{Cores: 2, CPU: "Imaginary 3000", Memory: "24 GiB", Kernel: "Linux 6.18", Load: 0.5}, Build: "v1", Memcached: "1.6.18"}
			if err := json.Unmarshal([]byte(d.Input), &r); err != nil {
				d.Fatalf(t, "%v", err)
			}
			return render(r)
		})
	})
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		of   []millis
		want millis
	}{{nil, 0}, {[]millis{3}, 3}, {[]millis{9, 1, 2}, 2}, {[]millis{4, 1, 2, 9}, 3}} {
		if got := median(tt.of); got != tt.want {
			t.Errorf("median of %v: %v, want %v", tt.of, got, tt.want)
		}
	}
}

// Figures of two builds are not mixed.
func TestBegin(t *testing.T) {
	var r record
	if err := r.begin(machine.Machine{}, "v1", "1.6"); err != nil || r.Build != "v1" {
		t.Fatalf("%+v, %v", r, err)
	}
	r.addSimulated(simRow{Nodes: 10})
	r.addSimulated(simRow{Nodes: 3})
	r.addReal(realRow{Nodes: 5})
	if r.Simulated[0].Nodes != 3 || !r.hasSimulated(10) || r.hasSimulated(5) || !r.hasReal(5) || r.hasReal(3) {
		t.Errorf("%+v", r)
	}
	if err := r.begin(machine.Machine{}, "v1", "1.6"); err != nil {
		t.Error(err)
	}
	if err := r.begin(machine.Machine{}, "v2", "1.6"); err == nil {
		t.Error("another build goes on")
	}
}
