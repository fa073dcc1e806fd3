package configs

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func link(name string, prefixes ...string) Link {
	l := Link{Name: name}
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

func TestFit(t *testing.T) {
	lo := link("lo", "127.0.0.1/8", "::1/128")
	tests := []struct {
		name  string
		vip   string // keys of one [[vip]], from line 8 on
		links []Link
		want  string // the interface, or the error
	}{
		{"by subnet", `address = "10.0.0.101"`, []Link{lo, link("eth0", "192.168.0.5/24"), link("eth1", "10.0.0.11/24")},
			"eth1"},
		{"by the subnet of IPv6", `address = "fd00::101"`, []Link{lo, link("eth0", "10.0.0.11/24", "fe80::1/64", "fd00::11/64")},
			"eth0"},
		{"the narrower of two", `address = "10.0.0.101"`, []Link{link("wide", "10.0.0.11/8"), link("narrow", "10.0.0.11/24"), link("wider", "10.9.9.9/8")},
			"narrow"},
		{"twice on one interface", `address = "10.0.0.101"`, []Link{link("eth0", "10.0.0.11/24", "10.0.0.12/24")},
			"eth0"},
		{"a leftover is no subnet", `address = "10.0.0.101"`, []Link{link("dummy0", "10.0.0.101/32"), link("old", "10.0.0.101/25"), link("eth0", "10.0.0.11/24")},
			"eth0"},
		{"named", "address = \"10.0.0.101\"\ninterface = \"eth1\"", []Link{link("eth0", "10.0.0.11/24"), link("eth1")},
			"eth1"},
		{"named, but not here", "address = \"10.0.0.101\"\ninterface = \"bond0\"", []Link{link("eth0", "10.0.0.11/24"), link("eth1")},
			`agent.toml:9: vip.interface: no interface "bond0" for 10.0.0.101; expected one that this host has (eth0 10.0.0.11/24; eth1 without address)`},
		{"nowhere", `address = "10.0.0.101"`, []Link{lo, link("eth0", "192.168.0.5/24")},
			`agent.toml:8: vip.address: no interface fits 10.0.0.101; expected a subnet of this host (lo 127.0.0.1/8 ::1/128; eth0 192.168.0.5/24), or an interface named in the vip`},
		{"no links", `address = "10.0.0.101"`, nil,
			`agent.toml:8: vip.address: no interface fits 10.0.0.101; expected a subnet of this host (it has none), or an interface named in the vip`},
		{"two alike", `address = "10.0.0.101"`, []Link{link("eth0", "10.0.0.11/24"), link("eth1", "10.0.0.12/24")},
			`agent.toml:8: vip.address: 10.0.0.101 fits eth0 and eth1 alike; expected an interface named in the vip`},
		{"the broadcast address there", `address = "10.0.0.127"`, []Link{link("eth0", "10.0.0.11/25")},
			`agent.toml:8: vip.address: 10.0.0.127 is the broadcast address of eth0; expected an address of a host in it`},
		{"the network address there", `address = "10.0.0.128"`, []Link{link("eth0", "10.0.0.140/25")},
			`agent.toml:8: vip.address: 10.0.0.128 is the address of the subnet of eth0; expected an address of a host in it`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := parse(t, "[cluster]\nname = \"c\"\nkey_file = \"k\"\nvoters = { a = \"10.0.0.1\", b = \"10.0.0.2\", c = \"10.0.0.3\" }\n"+
				"[memcached]\naddress = \"127.0.0.1:11211\"\n[[vip]]\n"+test.vip+"\nhome = \"a\"\n")
			got, err := c.LinkFor(c.VIPs[0], test.links)
			if err != nil {
				got = err.Error()
				if _, ok := errors.AsType[*Error](err); !ok {
					t.Errorf("%#v is no *Error", err)
				}
			}
			if got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("agent.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// All that fits is found although something does not, and a node is not asked for what it may not hold.
func TestFitFor(t *testing.T) {
	c := parse(t, good) // 10.0.0.101 for cache1 and cache2; fd00::102 on eth0
	eth1 := []Link{link("eth1", "10.0.0.11/24")}
	fits, err := c.FitFor("cache1", eth1)
	want := map[netip.Addr]string{netip.MustParseAddr("10.0.0.101"): "eth1"}
	if diff := cmp.Diff(want, fits, ignoreLines); diff != "" || err == nil {
		t.Errorf("error %v, (-want +got):\n%s", err, diff)
	}
	eth0 := []Link{link("eth0"), link("eth7", "10.0.0.13/32")}
	if _, err := c.FitFor("cache1", eth0); err == nil {
		t.Error("cache1 may hold 10.0.0.101, which nothing fits")
	}
	if fits, err := c.FitFor("cache3", eth0); err != nil || len(fits) != 1 {
		t.Errorf("cache3 may hold fd00::102 only: %v, %v", fits, err)
	}
	if fits, err := c.FitFor("w1", []Link{link("eth7", "10.0.0.10/32")}); err != nil || len(fits) != 0 {
		t.Errorf("a witness needs no interface but for its own address: %v, %v", fits, err)
	}
	if _, err := c.FitFor("w1", eth0); err == nil {
		t.Error("w1 has no interface with its own address")
	}
}

// What the kernel would let a node speak from. The loopback has all of its subnet.
func TestOwnLink(t *testing.T) {
	c := parse(t, good)
	lo, eth0 := link("lo", "127.0.0.1/8"), link("eth0", "192.168.0.5/24", "10.0.0.11/24")
	for _, test := range []struct {
		address, want string
	}{
		{"10.0.0.11", "eth0"},
		{"127.0.0.9", "lo"},
		{"10.0.0.12", "agent.toml:10: cluster.voters: no interface has 10.0.0.12, the address of cache1; expected an address of this host (lo 127.0.0.1/8; eth0 192.168.0.5/24 10.0.0.11/24)"},
	} {
		got, err := c.OwnLink(Member{Name: "cache1", Addr: netip.MustParseAddr(test.address)}, []Link{lo, eth0})
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.address, got, test.want)
		}
	}
}
