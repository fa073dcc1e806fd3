package configs

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignoreLines leaves out where things stood in the file.
var ignoreLines = cmp.Options{
	cmpopts.IgnoreUnexported(Config{}, VIP{}),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// writeKey puts a good key file into the folder.
func writeKey(t *testing.T, folder string) {
	t.Helper()
	writeFile(t, filepath.Join(folder, "gossip.key"), NewKey().Text()+"\n", 0o600)
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every example in the folder loads as it stands, beside a key.
func TestExamplesLoad(t *testing.T) {
	examples, err := filepath.Glob("*.toml")
	if err != nil || len(examples) < 4 {
		t.Fatalf("examples: %v, %v; want four at least", examples, err)
	}
	for _, name := range examples {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			writeKey(t, folder)
			path := filepath.Join(folder, name)
			writeFile(t, path, readExample(t, name), 0o644)
			c, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Cluster.Keys) != 1 || c.Cluster.KeyFile != filepath.Join(folder, "gossip.key") || c.Path != path {
				t.Errorf("%d keys from %s by %s", len(c.Cluster.Keys), c.Cluster.KeyFile, c.Path)
			}
			if w := c.Warnings(); len(w) > 0 {
				t.Errorf("an example has warnings: %q", w)
			}
		})
	}
}

// commentedOut matches a key that agent.toml shows with its default.
var commentedOut = regexp.MustCompile(`(?m)^#([a-z_]+ *= .*)$`)

// agent.toml shows every key there is, and in comments the very defaults of defaults.go.
func TestAgentTomlShowsEveryKeyAndDefault(t *testing.T) {
	sample := readExample(t, "agent.toml")
	byDefault, err := Parse("agent.toml", sample)
	if err != nil {
		t.Fatal(err)
	}
	asShown, err := Parse("agent.toml", commentedOut.ReplaceAllString(sample, "$1"))
	if err != nil {
		t.Fatalf("with its comments as keys: %v", err)
	}
	if diff := cmp.Diff(byDefault, asShown, ignoreLines); diff != "" {
		t.Errorf("a default in agent.toml is not that of defaults.go (-default +shown):\n%s", diff)
	}
	for section, keys := range knownKeys(t, sample) {
		text := sample
		if section != "" {
			_, text, _ = strings.Cut(sample, "["+section+"]")
			if section != "vip" {
				text, _, _ = strings.Cut(text, "\n[")
			}
		}
		for _, key := range keys {
			shown := regexp.MustCompile(`(?m)^(#?` + key + ` *= |\[+` + key + `\])`)
			if !shown.MatchString(text) {
				t.Errorf("agent.toml does not show %s in [%s]", key, section)
			}
		}
	}
}

// knownKeys returns the keys that the readers ask for, by section, from what is said of an unknown key.
func knownKeys(t *testing.T, sample string) map[string][]string {
	t.Helper()
	keys := make(map[string][]string)
	for _, section := range []string{"", "cluster", "memcached", "health", "agent", "hooks", "metrics", "vip"} {
		text := "zzzzzzzz = 1\n" + sample
		if section != "" {
			header := regexp.MustCompile(`(?m)^\[+` + section + `\]+$`)
			text = header.ReplaceAllString(sample, "$0\nzzzzzzzz = 1")
		}
		_, err := Parse("agent.toml", text)
		if err == nil {
			t.Fatalf("an unknown key in [%s] was accepted", section)
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		_, list, ok := strings.Cut(first, "unknown key; expected one of ")
		if !ok {
			t.Fatalf("unexpected text about an unknown key: %v", err)
		}
		keys[section] = strings.Split(list, ", ")
	}
	return keys
}

// The least file gets every default; the values here are those of the documentation, on purpose by hand.
func TestDefaults(t *testing.T) {
	c, err := Parse("three-hosts.toml", readExample(t, "three-hosts.toml"))
	if err != nil {
		t.Fatal(err)
	}
	vip := func(addr, home string) VIP {
		return VIP{
			Prefix: netip.MustParsePrefix(addr + "/32"), Home: home, Instance: netip.MustParseAddrPort("127.0.0.1:11211"),
			Failback: FailbackAuto, FailbackDelay: 5e9,
		}
	}
	voter := func(name, addr string) Member {
		return Member{Name: name, Addr: netip.MustParseAddr(addr), Voter: true}
	}
	want := &Config{
		Path: "three-hosts.toml",
		Cluster: Cluster{
			Name:    "cache-prod",
			Voters:  []Member{voter("cache1", "10.0.0.11"), voter("cache2", "10.0.0.12"), voter("cache3", "10.0.0.13")},
			KeyFile: "gossip.key",
			Port:    7946,
			Lease:   600e6,
			Drift:   0.01,
			Fence:   FenceAuto,
		},
		Memcached: Memcached{Address: netip.MustParseAddrPort("127.0.0.1:11211")},
		Health:    Health{Interval: 100e6, Deadline: 150e6, Fall: 3, Rise: 3, FreshInterval: 1e9},
		Agent:     Agent{Stop: StopHandover, Log: LogAuto, LogLevel: LogInfo},
		Hooks:     Hooks{Timeout: 10e9},
		VIPs:      []VIP{vip("10.0.0.101", "cache1"), vip("10.0.0.102", "cache2"), vip("10.0.0.103", "cache3")},
	}
	if diff := cmp.Diff(want, c, ignoreLines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
