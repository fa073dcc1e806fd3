package main

import (
	"io"
	"slices"
	"testing"
)

// A small cluster goes through everything, and all of it is written down.
func TestSimulate(t *testing.T) {
	set, err := parse([]string{"-quick"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	row, err := simulate(set, 4, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if row.Voters.Nodes != voters || row.Others.Nodes != 1 || len(row.Exits) != 1 || len(row.Deaths) != 1 || row.Rack.VIPs != 1 || row.Rack.Most != 2 {
		t.Errorf("%+v", row)
	}
	for what, x := range map[string]float64{
		"formed": float64(row.Formed), "packets": row.Others.LeaseSent, "bytes": row.Others.LeaseBytes, "states": row.Others.StateReceived,
		"steps": row.Voters.Steps, "busy": row.Voters.Busy, "codec": row.Voters.CodecBusy, "claims": row.Voters.ClaimMicros, "rack": float64(row.Rack.All),
		"rack's steps": float64(row.RackStep), "heap": float64(row.HeapPerNode), "bears": float64(row.Bears),
	} {
		if x <= 0 {
			t.Errorf("%s: %v", what, x)
		}
	}
	if row.Unsendable != "" {
		t.Errorf("4 nodes say what cannot be sent: %s", row.Unsendable)
	}
}

// With three hosts no VIP is struck more than twice: a third time no clean host would be left.
func TestStruck(t *testing.T) {
	for _, nodes := range []int{3, 4, 10, 100} {
		for _, repeats := range []int{1, 2, 5, 50} {
			times := map[int]int{}
			for kind := range 2 {
				for _, h := range struck(nodes, repeats, kind) {
					times[h]++
				}
			}
			for _, h := range rackOf(nodes, repeats) {
				times[h]++
			}
			for h, n := range times {
				if h < 0 || h >= nodes || n > 2 && nodes == 3 {
					t.Errorf("%d nodes, %d repeats: host %d is struck %d times", nodes, repeats, h, n)
				}
			}
		}
	}
}

// A rack has a tenth of the hosts, and never a majority of the voters.
func TestRackOf(t *testing.T) {
	for nodes := realMin; nodes <= realMax; nodes++ {
		for _, repeats := range []int{1, 5, 7} {
			hosts := rackOf(nodes, repeats)
			voting := len(slices.DeleteFunc(slices.Clone(hosts), func(h int) bool { return h >= voters }))
			distinct := slices.Compact(slices.Sorted(slices.Values(hosts)))
			if len(distinct) != max(1, nodes/10) || voting > 1 {
				t.Errorf("%d nodes: %v, %d of them vote", nodes, hosts, voting)
			}
		}
	}
}

func TestSpan(t *testing.T) {
	if first, last := span([]millis{5, 2, 9}); first != 2 || last != 9 {
		t.Errorf("%v to %v", first, last)
	}
	if first, last := span(nil); first != 0 || last != 0 {
		t.Errorf("%v to %v of nothing", first, last)
	}
}

func TestSumOf(t *testing.T) {
	got := sumOf([]move{{To: "b", Took: 3}, {To: "c", Took: 1}, {To: "b", Took: 2}})
	if want := (rack{Hosts: 3, VIPs: 3, First: 1, All: 3, Most: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
