package sim

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A simulator that finds nothing proves nothing by itself. Here the protocol is broken on purpose, one rule
// at a time, by building the simulator with a changed copy of a source file (go build -overlay): the code
// that ships needs no seam for it. Each fault has to be noticed.

var (
	allFaults = flag.Bool("all-faults", false, "try every deliberate fault, not only those that are noticed soon, and write into FAULTS.md how many schedules each took")
	// Only faults that took at most soon schedules are tried with every test run. They get many more than
	// that: with every change of core the same seed is another history.
	soon, patience = uint64(40), uint64(800)
)

// faultLimit is within how many schedules every fault has to be noticed.
var faultLimit = flag.Uint64("fault-limit", 10000, "with -all-faults: within how many schedules each has to be noticed")

// change replaces one passage of a source file, which has to be there exactly once.
type change struct{ file, old, new string }

// fault is one deliberate mistake. The rule is one of ARCHITECTURE.md, "The protocol".
type fault struct {
	name    string
	broken  string
	changes []change
}

// unasserted switches off what the machine asserts of itself: the onlookers have to notice.
var unasserted = change{"agent/core/invariant.go", "func (m *Machine) check() {\n", "func (m *Machine) check() {\n\tif m != nil {\n\t\treturn\n\t}\n"}

func TestFaultsAreCaught(t *testing.T) {
	known := readFaultsPage(t)
	results := make([]noticed, len(faults))
	t.Run("each", func(t *testing.T) {
		for i, f := range faults {
			limit := *faultLimit
			if !*allFaults {
				if known[f.name].schedules > soon {
					continue
				}
				limit = patience
			}
			t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				soak := buildSoak(t, overlay(t, f))
				out, err := soak("-count", fmt.Sprint(limit), "-workers", "1")
				m := regexp.MustCompile(`BROKEN by seed (\d+) at [0-9.]+s ([a-z ]+):`).FindStringSubmatch(out)
				if err == nil || m == nil {
					results[i] = noticed{schedules: limit, rule: "not noticed"}
					t.Fatalf("not noticed in %d schedules: %v\n%s", limit, err, out)
				}
				seed, _ := strconv.ParseUint(m[1], 10, 64)
				results[i] = noticed{schedules: seed, rule: m[2]}
				t.Logf("%s: noticed by seed %d: %s", f.name, seed, m[2])
			})
		}
	})
	if *allFaults {
		var b strings.Builder
		b.WriteString(faultsPage)
		for i, f := range faults {
			fmt.Fprintf(&b, "| %s | %s | %d | %s |\n", f.name, f.broken, results[i].schedules, results[i].rule)
		}
		if err := os.WriteFile("FAULTS.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFaultsCanBeMade: every deliberate fault changes what stands in the source today, those too that are not tried with
// every run.
func TestFaultsCanBeMade(t *testing.T) {
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) { overlay(t, f) })
	}
}

// noticed is how a fault was: after how many schedules, and by which rule.
type noticed struct {
	schedules uint64
	rule      string
}

// readFaultsPage reads what the page says of every fault there is, and of none that is not.
func readFaultsPage(t *testing.T) map[string]noticed {
	page, err := os.ReadFile("FAULTS.md")
	if err != nil && !*allFaults {
		t.Fatal(err)
	}
	known := map[string]noticed{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, " | ")
		if len(cells) != 4 {
			continue
		}
		if n, err := strconv.ParseUint(cells[2], 10, 64); err == nil {
			known[strings.TrimPrefix(cells[0], "| ")] = noticed{n, strings.TrimRight(cells[3], " |\n")}
		}
	}
	for _, f := range faults {
		if _, ok := known[f.name]; !ok && !*allFaults {
			t.Errorf("FAULTS.md does not know %q: run make faults", f.name)
		}
	}
	if len(known) != len(faults) && !*allFaults {
		t.Errorf("FAULTS.md has %d faults, there are %d: run make faults", len(known), len(faults))
	}
	return known
}

const faultsPage = `# Deliberate faults, and how soon the simulator notices them

Written by ` + "`make faults`" + `. Each row is one rule of the protocol broken on purpose (faults_test.go has
the changes): the rule as ARCHITECTURE.md names it, the schedules it took from seed 1 on, and the rule of the simulator
(doc.go) that noticed it.

| fault | breaks | schedules | noticed as |
| --- | --- | --- | --- |
`

// overlay writes the changed copies of a fault's files, and the list that go build wants of them.
func overlay(t *testing.T, f fault) string {
	dir, root := t.TempDir(), moduleRoot(t)
	replace := map[string]string{}
	for _, c := range append(slices.Clone(f.changes), unasserted) {
		path := filepath.Join(root, c.file)
		from := path
		if changed, ok := replace[path]; ok {
			from = changed
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), c.old); n != 1 {
			t.Fatalf("%s has %q %d times; the fault has to be written anew", c.file, c.old, n)
		}
		to := filepath.Join(dir, strings.ReplaceAll(c.file, "/", "_"))
		if err := os.WriteFile(to, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[path] = to
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, list, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func moduleRoot(t *testing.T) string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("no source file known")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// buildSoak builds the soak program, with an overlay unless that is empty, and returns how to run it.
func buildSoak(t *testing.T, overlay string) func(args ...string) (string, error) {
	program := filepath.Join(t.TempDir(), "soak")
	args := []string{"build", "-o", program}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	build := exec.Command("go", append(args, "memvip/agent/sim/soak")...)
	build.Dir = moduleRoot(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return func(args ...string) (string, error) {
		out, err := exec.Command(program, args...).CombinedOutput()
		return string(out), err
	}
}
