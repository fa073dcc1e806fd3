package lab

import (
	"net/netip"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestAgentConfig(t *testing.T) {
	home := &Host{Name: "cache1", Addr: netip.MustParseAddr("10.77.0.11")}
	other := &Host{Name: "cache2", Addr: netip.MustParseAddr("10.77.0.12")}
	vips := []VIP{{Index: 0, Addr: testVIP, Home: home}}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{
			name: "plain",
			want: `[cluster]
name     = "lab"
voters   = { cache1 = "10.77.0.11", cache2 = "10.77.0.12" }
key_file = "/run/key"

[memcached]
address = "127.0.0.1:11211"

[[vip]]
address  = "10.77.0.101"
home     = "cache1"
`,
		},
		{
			name: "everything",
			options: Options{
				InstancePerVIP: true, Lease: 600 * time.Millisecond,
				ClusterTOML: "port = 7000", MemcachedTOML: "\nrestart_command = [\"true\"]\n", VIPTOML: "failback = \"auto\"",
				ExtraTOML: "[health]\nfall = 5\n",
			},
			want: `[cluster]
name     = "lab"
voters   = { cache1 = "10.77.0.11", cache2 = "10.77.0.12" }
key_file = "/run/key"
lease    = "600ms"
port = 7000

[memcached]
address = "127.0.0.1:11211"
restart_command = ["true"]

[[vip]]
address  = "10.77.0.101"
home     = "cache1"
instance = "127.0.0.1:11301"
failback = "auto"

[health]
fall = 5
`,
		},
		{
			name:    "a host without a vote",
			options: Options{Voters: 1},
			want: `[cluster]
name     = "lab"
voters   = { cache1 = "10.77.0.11" }
nodes    = { cache2 = "10.77.0.12" }
key_file = "/run/key"

[memcached]
address = "127.0.0.1:11211"

[[vip]]
address  = "10.77.0.101"
home     = "cache1"
`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := agentConfig(tt.options, []*Host{home, other}, vips, "/run/key")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
			var anything map[string]any
			if _, err := toml.Decode(got, &anything); err != nil {
				t.Errorf("not TOML: %v", err)
			}
		})
	}
}

// No two of a lab's addresses are the same, and all are hosts' of its /24, however many there are.
func TestAddresses(t *testing.T) {
	for _, o := range []Options{{Hosts: 3, VIPs: 3}, {Hosts: 90, VIPs: 100}, {Hosts: 91, VIPs: 91}, {Hosts: hostsMax, VIPs: vipsMax}} {
		if err := o.withDefaults().check(); err != nil {
			t.Fatal(err)
		}
		used := map[netip.Addr]bool{labAddr(watchPort): true, labAddr(clientPort): true}
		net := netip.PrefixFrom(labAddr(0), 24)
		for i := range o.Hosts {
			used[hostAddr(i)] = true
		}
		for i := range o.VIPs {
			used[vipAddr(i, o.Hosts)] = true
			if a := vipAddr(i, o.Hosts); !net.Contains(a) || a == labAddr(255) || a.Less(labAddr(vipFirst)) {
				t.Errorf("VIP %d beside %d hosts is %s", i, o.Hosts, a)
			}
		}
		if want := 2 + o.Hosts + o.VIPs; len(used) != want {
			t.Errorf("%d hosts and %d VIPs have %d addresses, want %d", o.Hosts, o.VIPs, len(used), want)
		}
	}
	for _, wrong := range []Options{{Hosts: hostsMax + 1}, {Hosts: 3, VIPs: vipsMax + 1}, {Hosts: -1}, {Hosts: 3, Voters: 4}} {
		if wrong.withDefaults().check() == nil {
			t.Errorf("a lab of %d hosts, %d VIPs and %d voters can be made", wrong.Hosts, wrong.VIPs, wrong.Voters)
		}
	}
}
