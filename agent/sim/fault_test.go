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

var writeFaults = flag.Bool("write-faults", false, "write how many schedules each deliberate fault took into FAULTS.md")

// faultLimit is within how many schedules a fault has to be noticed.
var faultLimit = flag.Int("fault-limit", 5000, "within how many schedules each deliberate fault has to be noticed")

// change replaces one passage of a source file, which has to be there exactly once.
type change struct{ file, old, new string }

// fault is one deliberate mistake. The number is of the protocol review that found out what it breaks.
type fault struct {
	name    string
	review  string
	changes []change
}

// unasserted switches off what the machine asserts of itself: the onlookers have to notice.
var unasserted = change{"agent/core/invariant.go", "func (m *Machine) check() {\n", "func (m *Machine) check() {\n\tif m != nil {\n\t\treturn\n\t}\n"}

func TestFaultsAreCaught(t *testing.T) {
	type result struct {
		seed  uint64
		rule  string
		tried uint64
	}
	results := make([]result, len(faults))
	t.Run("each", func(t *testing.T) {
		for i, f := range faults {
			t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
				soak := buildSoak(t, overlay(t, f))
				out, err := soak("-count", fmt.Sprint(*faultLimit), "-workers", "1")
				m := regexp.MustCompile(`BROKEN by seed (\d+) at [0-9.]+s ([a-z ]+):`).FindStringSubmatch(out)
				if err == nil || m == nil {
					t.Fatalf("not noticed in %d schedules: %v\n%s", *faultLimit, err, out)
				}
				seed, _ := strconv.ParseUint(m[1], 10, 64)
				results[i] = result{seed: seed, rule: m[2], tried: seed}
				t.Logf("noticed by seed %d: %s", seed, m[2])
			})
		}
	})
	if *writeFaults && !t.Failed() {
		var b strings.Builder
		b.WriteString(faultsPage)
		for i, f := range faults {
			fmt.Fprintf(&b, "| %s | %s | %d | %s |\n", f.name, f.review, results[i].tried, results[i].rule)
		}
		if err := os.WriteFile("FAULTS.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const faultsPage = `# Deliberate faults, and how soon the simulator notices them

Written by ` + "`make faults`" + `. Each row is one rule of the protocol broken on purpose (fault_test.go has the changes),
the number that the protocol review gives to what it breaks, the schedules it took from seed 1 on, and the rule
of the simulator (doc.go) that noticed it.

| fault | review | schedules | noticed as |
| --- | --- | --- | --- |
`

// TestFaultsPage sees that the page names the faults there are.
func TestFaultsPage(t *testing.T) {
	page, err := os.ReadFile("FAULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| ") {
			rows++
		}
	}
	for _, f := range faults {
		if !strings.Contains(string(page), "| "+f.name+" | "+f.review+" |") {
			t.Errorf("FAULTS.md does not know %q: run make faults", f.name)
		}
	}
	if rows != len(faults)+2 {
		t.Errorf("FAULTS.md has %d rows, there are %d faults: run make faults", rows-2, len(faults))
	}
}

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
