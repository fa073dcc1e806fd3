package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// nodeKeys is a node that has keys in use, and the same or others in its file.
func nodeKeys(node, use string, file ...string) NodeKeys {
	n := NodeKeys{Node: node, File: file}
	for _, f := range strings.Fields(use) {
		n.Keys = append(n.Keys, HeldKey{Fingerprint: f})
	}
	if file == nil {
		n.File = n.InUse()
	}
	return n
}

// What every node seals, every other opens: in every order in which nodes can go through the stages, and in none of
// those that leave one out.
func TestKeyGaps(t *testing.T) {
	stages := []string{"old", "old new", "new old", "new"}
	for i := range 3 {
		for each := range 1 << 3 { // who has done the stage
			var nodes []NodeKeys
			for n := range 3 {
				nodes = append(nodes, nodeKeys(fmt.Sprint("n", n), stages[i+(each>>n)&1]))
			}
			if gaps := KeyGaps(nodes); len(gaps) > 0 {
				t.Errorf("%v to %v, done by %03b: %v", stages[i], stages[i+1], each, gaps)
			}
		}
	}
	for _, c := range []struct {
		name string
		a, b NodeKeys
		want string
	}{
		{"used before it is installed", nodeKeys("a", "new old"), nodeKeys("b", "old"), "a seals with new, which b does not have"},
		{"removed before all use the other", nodeKeys("a", "new"), nodeKeys("b", "old new"), "b seals with old, which a does not have"},
		{"one key for another", nodeKeys("a", "new"), nodeKeys("b", "old"), "a seals with new, which b does not have; b seals with old, which a does not have"},
		{"not in the file of one", nodeKeys("a", "new old"), nodeKeys("b", "old new", "old"), "a seals with new, which b does not have"},
		{"not in use by one", nodeKeys("a", "new old"), nodeKeys("b", "old", "old", "new"), "a seals with new, which b does not have"},
		{"by the file, after a restart", nodeKeys("a", "old", "new", "old"), nodeKeys("b", "old"), "a seals with new, which b does not have"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			var got []string
			for _, g := range KeyGaps([]NodeKeys{c.a, c.b}) {
				got = append(got, g.String())
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestKeyFaults(t *testing.T) {
	unread := nodeKeys("b", "old")
	unread.File, unread.FileTrouble = nil, "gossip.key is empty; expected a key"
	waits := nodeKeys("b", "old")
	waits.Next, waits.NextKeys = "/run/memvip/gossip.key.next", []string{"old", "new"}
	saved := waits
	saved.File, saved.Keys = waits.NextKeys, append(slices.Clone(waits.Keys), HeldKey{Fingerprint: "new"})
	for _, c := range []struct {
		name  string
		nodes []NodeKeys
		want  []string // severity, text and hint
	}{
		{"one key", []NodeKeys{nodeKeys("a", "old"), nodeKeys("b", "old")}, nil},
		{"nobody", nil, nil},
		{"split", []NodeKeys{nodeKeys("a", "old"), nodeKeys("b", "new old")}, []string{
			"degraded split b seals with new, which a does not have | agentctl keys use old, which all have",
			"degraded nodes seal with different keys: new on b; old on a | agentctl keys use new, or the other one",
		}},
		{"split without a common key", []NodeKeys{nodeKeys("a", "old"), nodeKeys("b", "new"), nodeKeys("c", "old")}, []string{
			"degraded split a seals with old, which b does not have | agentctl keys install old gives it to all",
			"degraded split b seals with new, which a and c do not have | agentctl keys install new gives it to all",
			"degraded split c seals with old, which b does not have | agentctl keys install old gives it to all",
			"degraded nodes seal with different keys: old on a and c; new on b | agentctl keys use old, or the other one",
		}},
		{"second stage hangs", []NodeKeys{nodeKeys("a", "old new"), nodeKeys("b", "new old"), nodeKeys("c", "new old")}, []string{
			"degraded nodes seal with different keys: new on b and c; old on a | agentctl keys use new, or the other one",
		}},
		{"a stage hangs", []NodeKeys{nodeKeys("a", "old new"), nodeKeys("b", "old")}, []string{
			"note all seal with old, and a has key new beside it: a rotation was not ended | agentctl keys rotate --to new goes on with it; agentctl keys remove new drops it",
		}},
		{"file will not do", []NodeKeys{nodeKeys("a", "old"), unread}, []string{
			"degraded the agent on b could not start again: gossip.key is empty; expected a key | copy the key file of another host there",
		}},
		{"file waits", []NodeKeys{nodeKeys("a", "old"), waits}, []string{
			"degraded b could not write its key file, and has put what belongs there into /run/memvip/gossip.key.next | on b: sudo agentctl keys save",
		}},
		{"file was saved", []NodeKeys{nodeKeys("a", "old new"), saved}, []string{
			"note all seal with old, and a and b have key new beside it: a rotation was not ended | agentctl keys rotate --to new goes on with it; agentctl keys remove new drops it",
		}},
		{"file was written by others", []NodeKeys{nodeKeys("a", "old"), nodeKeys("b", "old", "old", "new")}, []string{
			"degraded the key file of b has old and new, its agent uses old | agentctl keys reload b has the agent take up the file",
		}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			var got []string
			for _, f := range KeyFaults(c.nodes) {
				split := ""
				if f.Split {
					split = "split "
				}
				got = append(got, fmt.Sprintf("%s %s%s | %s", f.Severity, split, f.Text, f.Hint))
				if f.Why == "" || len(f.Nodes) == 0 {
					t.Errorf("incomplete: %+v", f)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// A secret travels, and is not shown.
func TestSecretDoesNotShow(t *testing.T) {
	r := Request{Command: CommandKeys, Keys: KeysRequest{Action: KeysTake, Key: "c2VjcmV0"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if shown := fmt.Sprintf(verb, r) + fmt.Sprintf(verb, r.Keys.Key); strings.Contains(shown, "c2VjcmV0") || strings.Contains(shown, fmt.Sprintf("%x", "c2Vj")) {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Request
	if err := json.Unmarshal(raw, &again); err != nil || again.Keys != r.Keys {
		t.Errorf("%+v arrives, %v", again, err)
	}
	if raw, err := json.Marshal(Request{Command: CommandStatus}); err != nil || strings.Contains(string(raw), "keys") {
		t.Errorf("a request about nothing of keys names them: %s, %v", raw, err)
	}
}
