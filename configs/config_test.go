package configs

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMembers(t *testing.T) {
	c := parse(t, good)
	addr := netip.MustParseAddr
	want := []Member{
		{Name: "cache1", Addr: addr("10.0.0.11"), Voter: true},
		{Name: "cache2", Addr: addr("10.0.0.12"), Voter: true},
		{Name: "cache3", Addr: addr("10.0.0.13")},
		{Name: "w1", Addr: addr("10.0.0.10"), Voter: true, Witness: true},
	}
	if diff := cmp.Diff(want, c.AllNodes(), ignoreLines); diff != "" {
		t.Errorf("all nodes (-want +got):\n%s", diff)
	}
	if got := names(c.Cluster.Voters); !cmp.Equal(got, []string{"cache1", "cache2", "w1"}) {
		t.Errorf("voters %v", got)
	}
	if m, ok := c.Member("w1"); !ok || m != want[3] {
		t.Errorf("w1 is %v, %t", m, ok)
	}
	if m, ok := c.Member("w2"); ok {
		t.Errorf("w2 is %v", m)
	}
	if m, err := c.Self("cache3"); err != nil || m != want[2] {
		t.Errorf("self is %v, %v", m, err)
	}
	_, err := c.Self("web7.example.com")
	const text = `agent.toml:10: cluster.voters: "web7.example.com" is neither voter nor node; expected --node (the host's name unless given) to be one of cache1, cache2, cache3, w1`
	if err == nil || err.Error() != text {
		t.Errorf("self\n got %v\nwant %s", err, text)
	}
}

func TestEligible(t *testing.T) {
	c := parse(t, good)
	for node, want := range map[string][]string{
		"cache1": {"10.0.0.101/32", "fd00::102/64"},
		"cache3": {"fd00::102/64"},
		"w1":     nil,
		"nobody": nil,
	} {
		var got []string
		for _, v := range c.Eligible(node) {
			got = append(got, v.Prefix.String())
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%s may hold %v, want %v", node, got, want)
		}
	}
}

// A vip serves from memcached.address and by its restart command, or from an instance and command of its own.
func TestInstances(t *testing.T) {
	c := parse(t, strings.Replace(good, "restart_command = [\"restart\", \"other\"]\n", "", 1))
	first, second := c.VIPs[0], c.VIPs[1]
	if first.Instance != c.Memcached.Address || !cmp.Equal(first.RestartCommand, []string{"restart", "it"}) {
		t.Errorf("the first is served by %s, restarted by %q", first.Instance, first.RestartCommand)
	}
	if second.Instance != netip.MustParseAddrPort("127.0.0.1:11302") || second.RestartCommand != nil {
		t.Errorf("the second is served by %s, restarted by %q", second.Instance, second.RestartCommand)
	}
}

// What is to be run, and in which order it is listed.
func TestHooks(t *testing.T) {
	none := parse(t, strings.Replace(good, `claim = ["moved", "in"]`, "claim = []", 1)).Hooks
	if all := none.All(); len(all) != 0 || none.Timeout != 10e9 {
		t.Errorf("without any: %v, timeout %s", all, none.Timeout)
	}
	c := parse(t, strings.Replace(good, `claim = ["moved", "in"]`, `conflict = ["d"]
refusal = ["c"]
release = ["b", ""]
claim = ["a"]`, 1))
	want := []Hook{{"claim", []string{"a"}}, {"release", []string{"b", ""}}, {"refusal", []string{"c"}}, {"conflict", []string{"d"}}}
	if diff := cmp.Diff(want, c.Hooks.All()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	lines := strings.Join(c.Lines(), "\n")
	if !strings.Contains(lines, `hooks.release = ["b" ""]`) || strings.Contains(lines, "hooks.timeout") {
		t.Errorf("what is the same everywhere:\n%s", lines)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"four voters", `w1 = "10.0.0.10"`, "w1 = \"10.0.0.10\"\nw2 = \"10.0.0.9\"", []string{
			"agent.toml:10: cluster.voters: 4 voters stand the loss of 1, no more than 3 voters would"}},
		{"far away instance", `"127.0.0.1:11211"`, `"192.168.0.1:11211"`, []string{
			"agent.toml:19: memcached.address: 192.168.0.1:11211 is no loopback address: every host must have it, and what clients write there is not protected"}},
		{"one candidate", `candidates = ["cache1", "cache2"]`, `candidates = ["cache1"]`, []string{
			"agent.toml:33: vip.candidates: only cache1 may hold this address, so nobody takes over"}},
		{"slow probes", `fall = 3`, `fall = 100`, []string{
			"agent.toml:22: health: a memcached that hangs is noticed after 15.1s only (interval + fall × the longer of interval and deadline)"}},
		{"metrics at an address of their own", `"127.0.0.1:9750"`, `"192.168.0.1:9750"`, []string{
			"agent.toml:52: metrics.listen: 192.168.0.1: every host must have this address, or its metrics are not served"}},
		{"no fence", `fence = "auto"`, `fence = "off"`, []string{
			"agent.toml:8: cluster.fence: \"off\": while an agent is frozen or dead, its host goes on answering beside the next holder"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := parse(t, strings.Replace(good, test.old, test.new, 1))
			if diff := cmp.Diff(test.want, c.Warnings()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	unfenced := strings.NewReplacer(`fence = "auto"`, `fence = "off"`, `"handover"`, `"keep"`).Replace(good)
	if got, want := parse(t, unfenced).Warnings(), "agent.toml:43: agent.stop: \"keep\" without a fence: where no agent comes back within the lease, "+
		"this host goes on answering beside the next holder for some seconds"; len(got) != 2 || got[1] != want {
		t.Errorf("keep without a fence: %q", got)
	}
	onLoopback := strings.NewReplacer("10.0.0.101", "10.0.0.101", "10.0.0.", "127.0.0.").Replace(good)
	want := []string{"agent.toml:10: cluster.voters: every node has a loopback address, so this cluster cannot leave its host"}
	if diff := cmp.Diff(want, parse(t, onLoopback).Warnings()); diff != "" {
		t.Errorf("all on loopback (-want +got):\n%s", diff)
	}
}

// A port alone is the loopback address's; all addresses have to be written out.
func TestListen(t *testing.T) {
	for written, want := range map[string]string{
		"":               "invalid AddrPort",
		":9750":          "127.0.0.1:9750",
		"127.0.0.1:7946": "127.0.0.1:7946", // nodes talk elsewhere
		"[::1]:9750":     "[::1]:9750",
		"0.0.0.0:9750":   "0.0.0.0:9750",
		"[::]:9750":      "[::]:9750",
	} {
		c := parse(t, strings.Replace(good, `"127.0.0.1:9750"`, `"`+written+`"`, 1))
		if got := c.Metrics.Listen.String(); got != want {
			t.Errorf("%q: listens at %s, want %s", written, got, want)
		}
	}
	onLoopback := strings.NewReplacer(`"10.0.0.11"`, `"127.0.0.1"`, `"10.0.0.12"`, `"127.0.0.2"`, `"10.0.0.13"`, `"127.0.0.3"`, `"10.0.0.10"`, `"127.0.0.4"`,
		`"127.0.0.1:9750"`, `"127.0.0.1:7946"`).Replace(good)
	if c, err := Parse("agent.toml", onLoopback); err == nil || !strings.Contains(err.Error(), "where nodes talk to each other") {
		t.Errorf("the port of a node at the same address: %v, %v", c, err)
	}
}

// The digest is about what is meant, not about how it is written.
func TestDigest(t *testing.T) {
	base := parse(t, good).Digest()
	rewritten := `# The same, written otherwise, and by another key file.
vip = [
  { address = "fd00::102/64", home = "cache3", interface = "eth0", instance = "127.0.0.1:11302", restart_command = ["restart", "other"] },
  { address = "10.0.0.101", home = "cache1", candidates = ["cache2", "cache1"] },
]
memcached = { address = "127.0.0.1:11211", restart_command = ["restart", "it"] }
metrics = { listen = ":9750" }
[cluster]
nodes = { cache3 = "10.0.0.13" }
voters = { w1 = "10.0.0.10", cache2 = "10.0.0.12", cache1 = "10.0.0.11" }
witnesses = ["w1"]
name = "cache-prod"
key_file = "other.key"
[hooks]
claim = ["moved", "in"]
`
	if parse(t, rewritten).Digest() != base {
		t.Errorf("the same configuration has another digest:\n%s\n%s", parse(t, good).canonical(), parse(t, rewritten).canonical())
	}
	for _, change := range [][2]string{
		{`"cache-prod"`, `"cache-test"`}, {`"10.0.0.13"`, `"10.0.0.14"`}, {`["w1"]`, `[]`}, {`"600ms"`, `"700ms"`},
		{`0.01`, `0.02`}, {`7946`, `7947`}, {`"127.0.0.1:11211"`, `"127.0.0.1:11212"`}, {`"it"`, `"that"`},
		{`"100ms"`, `"110ms"`}, {`"150ms"`, `"160ms"`}, {`fall = 3`, `fall = 4`}, {`fall = 3`, `rise = 4`}, {`"1s"`, `"2s"`},
		{`"10.0.0.101"`, `"10.0.0.101/24"`}, {`home = "cache3"`, `home = "cache2"`}, {`failback = "auto"`, `failback = "never"`}, {`fence = "auto"`, `fence = "lifetime"`}, {`"5s"`, `"6s"`},
		{`["cache1", "cache2"]`, `["cache1", "cache3"]`}, {`"eth0"`, `"eth1"`}, {`"127.0.0.1:11302"`, `"127.0.0.1:11303"`},
		{`"handover"`, `"keep"`}, {`log = "auto"`, `log = "json"`}, {`"info"`, `"debug"`},
		{`claim = ["moved", "in"]`, `release = ["moved", "in"]`}, {`["moved", "in"]`, `["moved in"]`}, {`timeout = "10s"`, `timeout = "9s"`},
		{`"127.0.0.1:9750"`, `""`}, {`"127.0.0.1:9750"`, `"0.0.0.0:9750"`},
	} {
		if parse(t, strings.Replace(good, change[0], change[1], 1)).Digest() == base {
			t.Errorf("%s for %s leaves the digest as it was", change[1], change[0])
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"lease", "deadline", "fall", "restart_command", "vip"}
	for written, want := range map[string]string{
		"leese": "lease", "lase": "lease", "LEASE": "lease", "restart-comand": "restart_command", "fal": "fall", "vips": "vip", "vip": "vip",
		"": "", "release": "", "ball": "fall", "bull": "", "deadlock": "", "x": "", "dedlin": "deadline",
	} {
		if got, _ := nearest(written, known); got != want {
			t.Errorf("%q: nearest is %q, want %q", written, got, want)
		}
	}
}
