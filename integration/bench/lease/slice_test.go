package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/integration/bench/scrape"
)

// told is what an agent tells after so many renewals that left more than a twentieth, and so many that left less.
func told(t *testing.T, started, lost, taken, less, more, collections int, at time.Time) glance {
	t.Helper()
	text := fmt.Sprintf(`# TYPE memvip_start_time_seconds gauge
memvip_start_time_seconds{node="a"} %d
# TYPE memvip_leases_lost_total counter
memvip_leases_lost_total{node="a"} %d
# TYPE memvip_vip_taken_total counter
memvip_vip_taken_total{vip="v",cause="hint"} %d
memvip_vip_taken_total{vip="v",cause="continue"} 99
# TYPE memvip_lease_renewal_left_ratio histogram
memvip_lease_renewal_left_ratio_bucket{le="0.05"} %d
memvip_lease_renewal_left_ratio_bucket{le="+Inf"} %d
memvip_lease_renewal_left_ratio_sum 1
memvip_lease_renewal_left_ratio_count %d
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds_sum 1
go_gc_duration_seconds_count %d
`, started, lost, taken, less, less+more, less+more, collections)
	p, err := scrape.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return glanceAt(p, at)
}

func TestSliceAdds(t *testing.T) {
	now := time.Unix(1000, 0)
	s := slice{}
	for range hosts {
		before, after := told(t, 7, 1, 2, 3, 100, 10, now), told(t, 7, 2, 4, 6, 150, 15, now.Add(20*time.Second))
		if err := s.add(before, after); err != nil {
			t.Fatal(err)
		}
	}
	want := slice{Seconds: 20, Lost: hosts, Moves: 2 * hosts, Collections: 5 * hosts, Left: []share{{0, 3 * hosts}, {0.05, 50 * hosts}}}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(slice{}, cell{})); diff != "" {
		t.Error(diff)
	}
}

// An agent that died meanwhile has begun to count anew.
func TestSliceNoticesARestart(t *testing.T) {
	now := time.Unix(1000, 0)
	var s slice
	if err := s.add(told(t, 7, 1, 2, 3, 4, 5, now), told(t, 8, 0, 0, 0, 0, 0, now)); !errors.Is(err, errRestarted) {
		t.Errorf("%v, want %v", err, errRestarted)
	}
	if err := s.add(glance{}, glance{}); !errors.Is(err, errRestarted) {
		t.Errorf("nothing told: %v, want %v", err, errRestarted)
	}
}
