package history

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
	"memvip/agent/layout"
)

// story is a failover and a hand-back, as three nodes tell it.
func story() []Entry {
	epoch := func(e Entry, epoch uint64) Entry {
		e.Epoch = epoch
		return e
	}
	part := func(node, from, to string, cause core.Cause, after time.Duration) Entry {
		return Entry{Time: at.Add(after), Node: node, Kind: KindChange, VIP: "10.0.0.101", From: from, To: to, Cause: string(cause)}
	}
	started := Starts("v1.2.3", at.Add(-15*time.Hour))
	started.Node = "cache1"
	down := Entry{Time: at, Node: "cache1", Kind: KindChange, Instance: "127.0.0.1:11211", From: "up", To: "down", Cause: "instance_down", Detail: "exited"}
	lost := epoch(part("cache1", "holding", "dropping", core.CauseInstanceDown, time.Millisecond), 6)
	lost.Lasted = (15 * time.Hour).Milliseconds()
	clean := part("cache1", "tainted", "clean", core.CauseRestart, 5*time.Second)
	clean.Instance = "127.0.0.1:11211"
	slot := part("cache1", "idle", "candidate", core.CauseHandback, 6*time.Second)
	slot.VIP = "handback"
	asked := Asked("failback", "10.0.0.101", "cache3", at.Add(6*time.Second))
	asked.Node = "cache1"
	foreign := epoch(part("cache2", "holding", "holding", core.CauseMemberConflict, 7*time.Second), 7)
	foreign.Peer, foreign.Detail = "cache1", "02:00:00:00:00:01"
	return []Entry{
		started, down, lost,
		part("cache2", "idle", "candidate", core.CauseSuccessor, 3*time.Millisecond),
		epoch(part("cache2", "candidate", "taking", core.CauseMajority, 4*time.Millisecond), 7),
		epoch(part("cache2", "taking", "holding", core.CauseAddressUp, 6*time.Millisecond), 7),
		clean, slot, asked, foreign,
		{Time: at.Add(8 * time.Second), Node: "cache3", Kind: KindChange, From: "a,b,c", To: "a,b,c,d", Cause: "voter_list"},
		{Time: at.Add(9 * time.Second), Node: "cache3", Kind: KindChange, VIP: "10.0.0.102", From: "new", To: "newer", Cause: "unheard_of"},
	}
}

func rendered(t *testing.T, entries []Entry, width int, color bool) string {
	t.Helper()
	var b strings.Builder
	if err := Render(&b, entries, width, color); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRender(t *testing.T) {
	want := `Fri 2026-11-20, times in UTC
23:03:07.412  cache1  -           agent starts (v1.2.3)
Sat 2026-11-21, times in UTC
14:03:07.412  cache1  -           memcached 127.0.0.1:11211 went down (exited)
14:03:07.413  cache1  10.0.0.101  lets it go after 15 h: memcached is down
                                  (epoch 6)
14:03:07.415  cache2  10.0.0.101  asks for it: the node that let it go named
                                  this one
14:03:07.416  cache2  10.0.0.101  takes it: a majority of the voters granted it
                                  (epoch 7)
14:03:07.418  cache2  10.0.0.101  serves it: the address is up and announced
                                  (epoch 7)
14:03:12.412  cache1  10.0.0.101  memcached 127.0.0.1:11211 is clean for it: it
                                  restarted empty
14:03:13.412  cache1  -           asks for the hand-back slot: its VIP may come
                                  home
14:03:13.412  cache1  10.0.0.101  an operator asks for "failback" at cache3
14:03:14.412  cache2  10.0.0.101  cache1 claims the address, which is held here
                                  (02:00:00:00:00:01; epoch 7)
14:03:15.412  cache3  -           goes by the voters a,b,c,d, and no longer
                                  a,b,c
14:03:16.412  cache3  10.0.0.102  new -> newer: unheard_of
`
	if diff := cmp.Diff(want, rendered(t, story(), layout.Width, false)); diff != "" {
		t.Error(diff)
	}
}

// TestRenderKeepsToTheWidth: and colour changes nothing but the colour.
func TestRenderKeepsToTheWidth(t *testing.T) {
	escapes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	entries := story()
	entries[3].VIP = "fd00:1234:5678:9abc:def0:1234:5678:9abc"
	entries[4].Node = "a-node-with-a-rather-long-name"
	entries[5].Detail = "\x1b[2J" + strings.Repeat("x", 90)
	for width := 1; width <= 200; width++ {
		plain := rendered(t, entries, width, false)
		for line := range strings.Lines(plain) {
			n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n"))
			if n > width && len(strings.Fields(line)) > 1 {
				t.Errorf("width %d: %d columns: %q", width, n, line)
			}
		}
		if bare := escapes.ReplaceAllString(rendered(t, entries, width, true), ""); bare != plain {
			t.Errorf("width %d: %s", width, cmp.Diff(plain, bare))
		}
	}
	if strings.ContainsRune(rendered(t, entries, 80, false), '\x1b') {
		t.Error("what a node told acts on the terminal")
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestRenderSaysThatItCannotWrite(t *testing.T) {
	if err := Render(brokenPipe{}, story(), 80, false); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if got := rendered(t, nil, 80, true); got != "" {
		t.Errorf("nothing to say: %q", got)
	}
}

// TestEveryCauseHasWords reads the causes from core's source, and demands words that say more than the
// cause's name.
func TestEveryCauseHasWords(t *testing.T) {
	causes := causesOfCore(t)
	if len(causes) != len(causeWords) {
		t.Errorf("%d causes, %d have words", len(causes), len(causeWords))
	}
	for _, cause := range causes {
		words := causeWords[cause]
		if words == "" || words == string(cause) || words != strings.TrimSpace(words) || strings.HasSuffix(words, ".") {
			t.Errorf("cause %s has the words %q", cause, words)
		}
	}
}

func causesOfCore(t *testing.T) []core.Cause {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "core", "effect.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []core.Cause
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Cause" {
			return true
		}
		for _, value := range spec.Values {
			cause, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, core.Cause(cause))
		}
		return true
	})
	return out
}

// TestEveryPartHasWords: whatever a node's part in a VIP turns into, for whatever cause, there is a sentence.
func TestEveryPartHasWords(t *testing.T) {
	for _, vip := range []string{"10.0.0.101", string(core.HandbackSlot)} {
		for from := core.Idle; from <= core.Dropping; from++ {
			for to := core.Idle; to <= core.Dropping; to++ {
				if _, ok := roleOf(to.String()); !ok {
					t.Errorf("role %s is not found by its name", to)
				}
				for _, cause := range causesOfCore(t) {
					checkSentence(t, Entry{Kind: KindChange, VIP: vip, From: from.String(), To: to.String(), Cause: string(cause)})
				}
			}
		}
	}
	if core.Role(core.Dropping+1).String() != "unknown role" {
		t.Error("there is a role that this test does not know")
	}
}

// transitionTraced is a change as core's scenarios note it: whose, what, and why.
var transitionTraced = regexp.MustCompile(`(?m)^ *[0-9.]+s \w+(?: (\S+))?: (\S+) -> (\S+) \((\w+)\)(?: epoch \d+)?`)

// TestEveryChangeOfTheScenariosHasWords walks over everything that core's scenarios show to happen.
func TestEveryChangeOfTheScenariosHasWords(t *testing.T) {
	seen := map[change]bool{}
	err := filepath.WalkDir(filepath.Join("..", "core", "testdata"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txt" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range transitionTraced.FindAllStringSubmatch(string(text), -1) {
			e := tracedAs(m[1], Entry{Kind: KindChange, From: m[2], To: m[3], Cause: m[4]})
			seen[change{e.From, e.To, core.Cause(e.Cause)}] = true
			checkSentence(t, e)
		}
		return err
	})
	if err != nil || len(seen) < 40 {
		t.Errorf("%d changes found, %v", len(seen), err)
	}
}

// tracedAs returns the entry that a trace stands for. Where an instance changes for a VIP, the trace names only the
// VIP.
func tracedAs(whose string, e Entry) Entry {
	c := change{e.From, e.To, core.Cause(e.Cause)}
	switch _, ofInstance := instanceWords[c]; {
	case strings.Contains(whose, ":"):
		e.Instance = whose
	case ofInstance:
		e.VIP, e.Instance = whose, "127.0.0.1:11211"
	default:
		e.VIP = whose
	}
	return e
}

func checkSentence(t *testing.T, e Entry) {
	t.Helper()
	words := e.Sentence()
	if words == "" || words != strings.TrimSpace(words) || strings.ContainsAny(words, "%_") || strings.Contains(words, "->") {
		t.Errorf("%s -> %s (%s) has the words %q", e.From, e.To, e.Cause, words)
	}
}
