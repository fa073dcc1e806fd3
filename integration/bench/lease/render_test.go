package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"memvip/integration/bench/machine"
)

// What is printed, for slices that testdata writes one a line:
//
//	LEASE CLASS STRESS [seconds=S] [lost=N] [moves=N] [load=F] [gcs=N] [left=LEAST:COUNT,...]
//
// STRESS may be "every", which stands for all of them.
func TestRender(t *testing.T) {
	datadriven.Walk(t, "testdata/render", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "report" {
				d.Fatalf(t, "unknown command %q", d.Cmd)
			}
			r := record{Machine: machine.Machine{Cores: 2, CPU: "Imaginary 3000", Memory: "24 GiB", Kernel: "Linux 6.18", Load: 0.5}, Build: "v1", Memcached: "1.6.18"}
			for line := range strings.Lines(d.Input) {
				r.Slices = append(r.Slices, readSlices(t, d, line)...)
			}
			return render(r)
		})
	})
}

func scan(t *testing.T, d *datadriven.TestData, text string, to any) {
	if _, err := fmt.Sscan(text, to); err != nil {
		d.Fatalf(t, "%q: %v", text, err)
	}
}

func readSlices(t *testing.T, d *datadriven.TestData, line string) []slice {
	var s slice
	fields := strings.Fields(line)
	scan(t, d, fields[0], &s.Lease)
	s.Class, s.Stress = class(fields[1]), fields[2]
	s.Begun, s.Seconds = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), 3600
	for _, f := range fields[3:] {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "seconds":
			scan(t, d, value, &s.Seconds)
		case "lost":
			scan(t, d, value, &s.Lost)
		case "moves":
			scan(t, d, value, &s.Moves)
		case "load":
			scan(t, d, value, &s.Load)
		case "gcs":
			scan(t, d, value, &s.Collections)
		case "left":
			for pair := range strings.SplitSeq(value, ",") {
				var x share
				least, count, _ := strings.Cut(pair, ":")
				scan(t, d, least, &x.Least)
				scan(t, d, count, &x.Count)
				s.Left = append(s.Left, x)
			}
		default:
			d.Fatalf(t, "unknown field %q", key)
		}
	}
	if s.Stress != "every" {
		return []slice{s}
	}
	var all []slice
	for _, st := range stresses {
		one := s
		one.Stress = st.name
		all = append(all, one)
	}
	return all
}
