package agent

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/configs"
	"memvip/flush"
	"memvip/vip"
)

const clusterText = `
[cluster]
name      = "test"
voters    = { h1 = "10.0.0.11", h2 = "10.0.0.12", w1 = "10.0.0.13" }
witnesses = ["w1"]
key_file  = "key"
lease     = "800ms"
clock_drift = 0.005

[memcached]
address = "127.0.0.1:11211"

[[vip]]
address = "10.0.0.102"
home    = "h2"
failback = "never"
candidates = ["h2"]
instance = "127.0.0.1:11302"
restart_command = ["restart", "it"]

[[vip]]
address = "10.0.0.101"
home    = "h1"
failback_delay = "3s"

[[vip]]
address = "10.0.0.103/24"
home    = "h1"
failback = "manual"
`

func cluster(t *testing.T) *configs.Config {
	t.Helper()
	c, err := configs.Parse("agent.toml", clusterText)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheMachineIsConfiguredFromTheFile(t *testing.T) {
	c := cluster(t)
	self, err := c.Self("h1")
	if err != nil {
		t.Fatal(err)
	}
	got := machineConfig(c, self, "v1", "process connector")
	digest := c.Digest()
	want := core.Config{
		Digest: hex.EncodeToString(digest[:])[:16], Node: "h1", Build: "v1", Detector: "process connector", Voters: []string{"h1", "h2", "w1"}, Nodes: []string{"h1", "h2", "w1"},
		Lease: 800 * time.Millisecond, DriftPPM: 5000, Margin: core.MarginMin,
		VIPs: []core.VIP{
			{Name: "10.0.0.102", Home: "h2", Instance: "127.0.0.1:11302", Candidates: []string{"h2"},
				Failback: core.FailbackNever, FailbackDelay: 5 * time.Second, CanRestart: true},
			{Name: "10.0.0.101", Home: "h1", Instance: mc, Failback: core.FailbackAuto, FailbackDelay: 3 * time.Second},
			{Name: "10.0.0.103", Home: "h1", Instance: mc, Failback: core.FailbackManual, FailbackDelay: 5 * time.Second},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	core.New(got) // which refuses what makes no sense
}

// A process proves that nothing is or was in it only if it has no items, never had any, and nothing brings any back.
func TestWhatAFreshProcessProves(t *testing.T) {
	for _, c := range []struct {
		name    string
		figures func(*flush.Figures)
		want    bool
	}{
		{"fresh", func(*flush.Figures) {}, true},
		{"flushed just now", func(f *flush.Figures) { f.Oldest = 62 }, true},
		{"memory kept", func(f *flush.Figures) { f.MemoryFile = true }, false},
		{"items", func(f *flush.Figures) { f.CurrItems = 1 }, false},
		{"items come and gone", func(f *flush.Figures) { f.TotalItems = 1 }, false},
		{"delayed flush", func(f *flush.Figures) { f.Oldest = 63 }, false},
	} {
		figures := flush.Figures{PID: 2, Start: 50, Uptime: 2} // at tick 62
		c.figures(&figures)
		want := core.Proof{
			Incarnation: core.Incarnation{PID: 2, Start: 50}, Oldest: figures.Oldest, TotalItems: figures.TotalItems, Restart: c.want,
		}
		if got := proofOf(figures); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

func TestANodeHasOnlyWhatItMayServe(t *testing.T) {
	c := cluster(t)
	links := []configs.Link{{Name: "lan0"}} // of all hosts at once
	for _, n := range c.AllNodes() {
		links[0].Prefixes = append(links[0].Prefixes, netip.PrefixFrom(n.Addr, 24))
	}
	place := func(address string) vip.Address {
		return vip.Address{Prefix: netip.MustParsePrefix(address + "/32"), Link: "lan0"}
	}
	for _, node := range []struct {
		name      string
		places    map[core.Name]vip.Address
		instances []string
	}{
		{"h1", map[core.Name]vip.Address{"10.0.0.101": place("10.0.0.101"), "10.0.0.103": place("10.0.0.103")}, []string{mc}},
		{"h2", map[core.Name]vip.Address{"10.0.0.101": place("10.0.0.101"), "10.0.0.102": place("10.0.0.102"), "10.0.0.103": place("10.0.0.103")},
			[]string{mc, "127.0.0.1:11302"}},
		{"w1", map[core.Name]vip.Address{}, nil},
	} {
		places, err := placesOf(c, node.name, links)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fmt.Sprint(node.places), fmt.Sprint(places)); diff != "" {
			t.Errorf("%s: places (-want +got):\n%s", node.name, diff)
		}
		instances := instancesOf(c, node.name)
		for _, name := range node.instances {
			if _, ok := instances[name]; !ok {
				t.Errorf("%s: no instance %s", node.name, name)
			}
		}
		if len(instances) != len(node.instances) {
			t.Errorf("%s: instances %v, want %v", node.name, instances, node.instances)
		}
	}
}

func TestExitCodesTellCausesApart(t *testing.T) {
	_, bad := configs.Parse("agent.toml", strings.Replace(clusterText, "lease ", "leash ", 1))
	_, unset := configs.Parse("agent.toml", "# later\n")
	for _, c := range []struct {
		err  error
		code int
		hint string
	}{
		{nil, 0, ""},
		{errors.New("any other"), 1, ""},
		{&PanicError{Value: "x"}, 1, "fault in memvip"},
		{errHurried, 1, ""},
		{bad, 78, ""},
		{unset, 78, "memvip-agent.toml"},
		{fmt.Errorf("wrapped: %w", bad), 78, ""},
		{&UsageError{errors.New("unknown flag")}, 64, "--help"},
		{&RunningError{Dir: "/run/memvip", PID: 7}, 3, "--runtime-dir"},
		{fmt.Errorf("control: %w", control.ErrInUse), 3, "--runtime-dir"},
		{errors.Join(fmt.Errorf("vip: open: %w", vip.ErrCapability), nil), 4, "CAP_NET_ADMIN and CAP_NET_RAW"},
	} {
		code, hint := ExitCode(c.err)
		if code != c.code || (hint == "") != (c.hint == "") || !strings.Contains(hint, c.hint) {
			t.Errorf("%v: code %d, hint %q; want %d, %q", c.err, code, hint, c.code, c.hint)
		}
	}
}
