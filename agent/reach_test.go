package agent

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"memvip/agent/core"
	"memvip/configs"
)

// A host is asked by ARP only where this node has its own address, and only by IPv4.
func TestPlaceOn(t *testing.T) {
	links := []configs.Link{
		{Name: "lo", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Name: "eth1", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.77/24")}},
		{Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.11/24"), netip.MustParsePrefix("fd00::11/64")}},
	}
	for _, tc := range []struct{ name, own, other, want string }{
		{"on the same link", "10.0.0.11", "10.0.0.12", "10.0.0.12/32 on eth0"},
		{"behind a router", "10.0.0.11", "10.0.1.12", ""},
		{"by IPv6", "fd00::11", "fd00::12", ""},
		{"an address that is gone", "10.0.0.14", "10.0.0.12", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			place, ok := placeOn(links, netip.MustParseAddr(tc.own), netip.MustParseAddr(tc.other))
			got := ""
			if ok {
				got = place.Prefix.String() + " on " + place.Link
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A status asks for each address from five nodes that are there, not from all: each question is a broadcast. In which order
// a node's file has the VIPs makes no difference.
func TestSomeAskForEachAddress(t *testing.T) {
	for _, c := range []struct{ nodes, dead int }{{3, 0}, {5, 0}, {6, 0}, {40, 0}, {40, 30}, {7, 4}} {
		config := &configs.Config{}
		var heard []core.NodeStatus
		for i := range c.nodes {
			name := fmt.Sprintf("cache%02d", i)
			config.Cluster.Voters = append(config.Cluster.Voters, configs.Member{Name: name})
			config.VIPs = append(config.VIPs, configs.VIP{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32), Home: name})
			ago := time.Millisecond
			if i < c.dead {
				ago = time.Hour
			}
			heard = append(heard, core.NodeStatus{Name: name, Heard: true, Ago: ago})
		}
		for _, v := range config.VIPs {
			askers := 0
			for _, self := range config.Cluster.Voters[c.dead:] {
				a := &agent{config: &configs.Config{Cluster: config.Cluster, VIPs: slices.Clone(config.VIPs)}, self: self}
				slices.Reverse(a.config.VIPs[:askers+1])
				if a.asksFor(core.VIPStatus{Name: nameOf(v)}, heard) {
					askers++
				}
			}
			if want := min(c.nodes-c.dead, askersMax); askers != want {
				t.Errorf("%d of %d nodes, %d of them dead, ask for %s; want %d", askers, c.nodes, c.dead, v.Prefix, want)
			}
		}
	}
}
