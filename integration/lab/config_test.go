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
