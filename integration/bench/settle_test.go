package main

import (
	"net/netip"
	"testing"

	"memvip/agent/control"
)

func TestUnsettled(t *testing.T) {
	vips := []control.VIP{{Address: "10.0.0.1", Home: "a"}, {Address: "10.0.0.2", Home: "b"}}
	well := func(change func(*control.Report)) control.Report {
		r := control.Report{
			Verdict: control.AllWell, VerdictText: "all well", Node: "a", VIPs: vips,
			Nodes: []control.Node{
				{Name: "a", Self: true, VIPs: []control.NodeVIP{
					{Address: "10.0.0.1", Cache: control.CacheServing},
					{Address: "10.0.0.2", Cache: control.CacheClean},
				}},
				{Name: "b", VIPs: []control.NodeVIP{{Address: "10.0.0.1", Cache: control.CacheTainted}}},
			},
		}
		change(&r)
		return r
	}
	taintedOn := func(vip string) func(*control.Report) {
		return func(r *control.Report) {
			r.Verdict, r.VerdictText = control.Degraded, "degraded"
			r.Problems = []control.Problem{{Code: control.ProblemTainted, Text: "b is not clean", VIPs: []string{vip}}}
		}
	}
	guest := netip.MustParseAddr("10.0.0.2")
	for _, tt := range []struct {
		name   string
		change func(*control.Report)
		want   string
	}{
		{"another VIP's stand-in is not clean", taintedOn("10.0.0.1"), ""},
		{"the struck VIP's is not", taintedOn("10.0.0.2"), "degraded [b is not clean]"},
		{"its own is not, for another", func(r *control.Report) {
			r.Nodes[0].VIPs = append(r.Nodes[0].VIPs, control.NodeVIP{Address: "10.0.0.3", Cache: control.CacheTainted})
		}, ""},
		{"degraded, and no problem is named", func(r *control.Report) { r.Verdict, r.VerdictText = control.Degraded, "degraded" }, "degraded"},
	} {
		if got := unsettled(well(tt.change), []netip.Addr{guest}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	all := []netip.Addr{netip.MustParseAddr("10.0.0.1"), guest}
	tests := []struct {
		name   string
		change func(*control.Report)
		want   string
	}{
		{"ready; what it heard of others is theirs to say", func(*control.Report) {}, ""},
		{"degraded", func(r *control.Report) {
			r.Verdict, r.VerdictText = control.Degraded, "degraded"
			r.Problems = []control.Problem{{Text: "b is silent"}}
		}, "degraded [b is silent]"},
		{"a guest not clean", func(r *control.Report) { r.Nodes[0].VIPs[1].Cache = control.CacheTainted },
			"its cache for 10.0.0.2 is tainted, want clean"},
		{"warm is not clean", func(r *control.Report) { r.Nodes[0].VIPs[1].Cache = control.CacheWarm },
			"its cache for 10.0.0.2 is warm, want clean"},
		{"mute", func(r *control.Report) { r.Nodes = r.Nodes[1:] }, "it says nothing of itself"},
		{"not serving its own", func(r *control.Report) { r.Nodes[0].VIPs[0].Cache = control.CacheClean },
			"its cache for 10.0.0.1 is clean, want serving"},
		{"serving a guest", func(r *control.Report) { r.Nodes[0].VIPs[1].Cache = control.CacheServing },
			"its cache for 10.0.0.2 is serving, want clean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := unsettled(well(tt.change), all); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
