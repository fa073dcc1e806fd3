package configs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memvip/configs/mistakes"
)

// FuzzParse: any text is either a configuration that keeps its word, or an error with lines.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", "FuzzParse", "*"))
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seed corpus: %v", err)
	}
	examples, err := filepath.Glob("*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, b := range mistakes.All {
		f.Add(b.Text())
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("agent.toml", text)
		if err == nil {
			checkConfig(t, c)
			return
		}
		checkErrorForm(t, err)
		for _, part := range err.(interface{ Unwrap() []error }).Unwrap() {
			if e, ok := errors.AsType[*Error](part); ok && e.Line > 1+strings.Count(text, "\n") {
				t.Errorf("line %d is past the end: %v", e.Line, e)
			}
		}
	})
}

// checkConfig sees that a Config that was returned is one that the agent can rely on.
func checkConfig(t *testing.T, c *Config) {
	t.Helper()
	if len(c.Cluster.Voters) < votersMin || c.Cluster.Name == "" || c.Cluster.KeyFile == "" || len(c.VIPs) == 0 {
		t.Errorf("incomplete: %+v", c)
	}
	all := names(c.AllNodes())
	if !slices.IsSorted(all) || len(slices.Compact(all)) != len(c.Cluster.Voters)+len(c.Cluster.Nodes) {
		t.Errorf("members %v are not sorted or not distinct", all)
	}
	for _, v := range c.VIPs {
		home, ok := c.Member(v.Home)
		if !ok || home.Witness || !v.Allows(v.Home) {
			t.Errorf("%s is at home at %v", v.Prefix, home)
		}
		if !v.Prefix.IsValid() || !v.Instance.IsValid() || v.Failback == "" || v.FailbackDelay < failbackDelaySetting.floor {
			t.Errorf("incomplete: %+v", v)
		}
	}
	h := c.Health
	if h.Interval > h.FreshInterval || h.Deadline > h.FreshInterval || h.Fall < 1 || h.Rise < 1 {
		t.Errorf("health does not agree with itself: %+v", h)
	}
	if l := c.Cluster.Lease; l < leaseSetting.floor || l > leaseSetting.ceiling {
		t.Errorf("lease of %s", l)
	}
}
