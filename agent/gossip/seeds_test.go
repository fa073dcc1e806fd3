package gossip

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"memvip/agent/core"
)

var rewrite = flag.Bool("rewrite", false, "write the seed corpora of the fuzz targets anew")

// seeds returns the committed corpora: for each fuzz target, inputs by name, each a list of Go
// literals as the fuzzer stores them.
func seeds(t *testing.T) map[string]map[string][]string {
	s := testScreen(t)
	claim, answer, state := typical(2)
	user := s.packet(1, append([]byte{markUser}, seal("b", encodeAny(t, core.Decline{From: "a", Name: "v"}))...))
	stream := s.stream(1, []byte("\x06push/pull"), true)
	table := states{newest: make(map[string]told)}
	table.offer(state, encodeAny(t, state), 0)
	table.offer(core.NodeState{Node: "b", Seq: 1}, encodeAny(t, core.NodeState{Node: "b", Seq: 1}), 0)

	decode := map[string][]string{
		"claim":     lit(encodeAny(t, claim)),
		"answer":    lit(encodeAny(t, answer)),
		"state":     lit(encodeAny(t, state)),
		"truncated": lit(encodeAny(t, claim)[:40]),
		"trailing":  lit(append(encodeAny(t, core.Decline{From: "a"}), 0)),
		"version":   lit([]byte{2, 1, 0xa0}),
		"deep":      lit([]byte{1, 1, 0xa1, 8, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0}),
		"huge_list": lit([]byte{1, 1, 0xa1, 8, 0x9a, 0xff, 0xff, 0xff, 0xff}),
		"huge_text": lit([]byte{1, 8, 0xa1, 1, 0x7a, 0x7f, 0xff, 0xff, 0xff, 'a'}),
	}
	told := map[string][]string{
		"huge_list": lit([]byte{1, byte(kindClients), 0xa1, 7, 0x9a, 0xff, 0xff, 0xff, 0xff}),
		"truncated": lit(clientFrames("a", lists()["one"], 1000)[0][:20]),
	}
	for name, l := range lists() {
		l.Clients = l.Clients[:min(len(l.Clients), 20)]
		told[strings.ReplaceAll(name, " ", "_")] = lit(clientFrames("a", l, 1000)[0])
	}
	for _, m := range messageTypes {
		decode[fmt.Sprintf("filled_%T", m)] = lit(encodeAny(t, filled(m)))
	}
	return map[string]map[string][]string{
		"FuzzDecode":        decode,
		"FuzzDecodeClients": told,
		"FuzzOpenPacket": {
			"message":           lit(user),
			"truncated":         lit(user[:len(user)-20]),
			"version_that_pads": lit(changed(user, len(s.label), 0)),
			"label_only":        lit(s.label),
			"label_length_only": lit([]byte{markLabel}),
			"checksum":          lit(s.packet(2, []byte{markChecksum, 1, 2, 3, 4, markUser})),
		},
		"FuzzReadStream": {
			"accepted":    append(lit(stream), "bool(true)"),
			"answered":    append(lit(stream[len(s.label):]), "bool(false)"),
			"plain":       append(lit(append(slices.Clone(s.label), "\x06plain"...)), "bool(true)"),
			"huge_length": append(lit(append(slices.Clone(s.label), 10, 0xff, 0xff, 0xff, 0xff)), "bool(true)"),
		},
		"FuzzUnseal": {
			"message": lit(seal("b", []byte{1, 8, 0xa0})),
			"state":   lit(seal("", []byte{1, 9, 0xa0})),
			"short":   lit([]byte{200, 'b'}),
		},
		"FuzzSplitStates": {
			"two":      lit(table.all()),
			"short":    lit(table.all()[:100]),
			"overflow": lit([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}),
			"empties":  lit(make([]byte, 2*maxEntries)),
		},
	}
}

func lit(b []byte) []string { return []string{fmt.Sprintf("[]byte(%q)", b)} }

// A fuzz target without seeds would test next to nothing in an ordinary run.
func TestSeedCorpora(t *testing.T) {
	for target, inputs := range seeds(t) {
		folder := filepath.Join("testdata", "fuzz", target)
		if *rewrite {
			writeSeeds(t, folder, inputs)
		}
		for name := range inputs {
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				t.Errorf("seed of %s is missing (go test -rewrite writes it): %v", target, err)
			}
		}
		if found, err := os.ReadDir(folder); err != nil || len(found) == 0 {
			t.Errorf("%s has no seed corpus: %v", target, err)
		}
	}
}

func writeSeeds(t *testing.T, folder string, inputs map[string][]string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, values := range inputs {
		text := "go test fuzz v1\n"
		for _, v := range values {
			text += v + "\n"
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every target in the test files has a corpus above.
func TestEveryFuzzTargetHasSeeds(t *testing.T) {
	known := seeds(t)
	for _, target := range fuzzTargets(t) {
		if known[target] == nil {
			t.Errorf("%s has no seeds", target)
		}
	}
}

func fuzzTargets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range fuzzFunc.FindAllSubmatch(text, -1) {
			targets = append(targets, string(found[1]))
		}
	}
	if len(targets) == 0 {
		t.Fatal("no fuzz targets found")
	}
	return targets
}

var fuzzFunc = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
