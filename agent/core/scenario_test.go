package core

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScenario runs the files of testdata/cluster against whole clusters.
func TestScenario(t *testing.T) {
	eachScenario(t, "testdata/cluster", func() func(*testing.T, *datadriven.TestData) string {
		var w *world
		return func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "cluster" {
				w = clusterOf(t, d)
			}
			return carryOut(t, w, d)
		}
	})
}

// eachScenario runs every file of a folder: one question each, asked in its first comment.
func eachScenario(t *testing.T, dir string, begin func() func(*testing.T, *datadriven.TestData) string) {
	files, err := filepath.Glob(dir + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil || !strings.HasPrefix(string(text), "# ") {
				t.Fatalf("%s does not begin with its question", f)
			}
			datadriven.RunTest(t, f, begin())
		})
	}
}

// words returns the values of an argument, or none.
func words(d *datadriven.TestData, key string) []string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

// clusterOf reads "cluster nodes=(a,b,c) vips=(v1@a,v2@b) [witnesses=(w)] [lease=600ms] [own] [failback=manual] [restart]".
func clusterOf(t *testing.T, d *datadriven.TestData) *world {
	lease := 600 * time.Millisecond
	if l := words(d, "lease"); len(l) == 1 {
		lease = duration(t, l[0])
	}
	policy := FailbackAuto
	if p := words(d, "failback"); len(p) == 1 {
		policy = map[string]Failback{"auto": FailbackAuto, "manual": FailbackManual, "never": FailbackNever}[p[0]]
	}
	var vips []VIP
	for _, v := range words(d, "vips") {
		name, home, ok := strings.Cut(v, "@")
		if !ok {
			t.Fatalf("%s: VIP %q has no home", d.Pos, v)
		}
		vips = append(vips, VIP{Name: Name(name), Home: home, Failback: policy, FailbackDelay: 5 * time.Second, CanRestart: d.HasArg("restart")})
	}
	w := newWorld(words(d, "nodes"), words(d, "witnesses"), vips, !d.HasArg("own"), lease)
	for _, h := range w.hosts() {
		h.start()
	}
	return w
}

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// set changes how a memcached behaves.
func (h *host) set(t *testing.T, address, what string) {
	c := h.caches[address]
	switch what {
	case "noflush":
		c.noFlush = true
		h.probe(address)
	case "keepsitems":
		c.keepsItems = true
	case "norestart":
		c.noRestart = true
	case "slowstart":
		c.startsSlowly = true
	case "restart":
		c.noRestart = false
	case "keepsmemory":
		c.keepsMemory = true
		h.probe(address)
	case "busy":
		c.busy = true
	case "idle":
		c.busy = false
	case "replaced": // it restarted, and nobody has noticed yet
		h.run(address)
		c.values["v1"] = -1
	case "anew": // likewise, and it is empty
		h.run(address)
	case "touched": // somebody wrote on the host's own address
		c.total++
	default:
		t.Fatalf("unknown setting %q", what)
	}
}

// groupsOf reads "a b | c".
func groupsOf(args []string) [][]string {
	groups := [][]string{nil}
	for _, a := range args {
		if a == "|" {
			groups = append(groups, nil)
			continue
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], a)
	}
	return groups
}
