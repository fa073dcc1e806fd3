package agent

import (
	"fmt"
	"net/netip"
	"testing"

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

// A status asks for each address from five nodes, not from all: each question is a broadcast.
func TestSomeAskForEachAddress(t *testing.T) {
	for _, nodes := range []int{3, 5, 6, 40} {
		config := &configs.Config{}
		for i := range nodes {
			name := fmt.Sprintf("cache%02d", i)
			config.Cluster.Voters = append(config.Cluster.Voters, configs.Member{Name: name})
			config.VIPs = append(config.VIPs, configs.VIP{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32), Home: name})
		}
		most := 0
		for _, self := range config.Cluster.Voters {
			a, mine := &agent{config: config, self: self}, 0
			for _, v := range config.VIPs {
				if a.asksFor(nameOf(v)) {
					mine++
				}
			}
			most = max(most, mine)
		}
		for _, v := range config.VIPs {
			askers := 0
			for _, self := range config.Cluster.Voters {
				if (&agent{config: config, self: self}).asksFor(nameOf(v)) {
					askers++
				}
			}
			if askers != min(nodes, askersMax) {
				t.Errorf("%d of %d nodes ask for %s", askers, nodes, v.Prefix)
			}
		}
		if most != min(nodes, askersMax) {
			t.Errorf("of %d nodes one asks for %d addresses", nodes, most)
		}
	}
}
