package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// KeyAction is what is to be done about a node's gossip keys. The set is closed.
type KeyAction string

// The actions. All but the first are for who has the turn to change keys, which a ticket of the asker's own choice takes
// and keeps: two operators who rotate at once must not remove what the other begins to use.
const (
	KeysList   KeyAction = "list"   // changes nothing; with a ticket it takes the turn
	KeysNew    KeyAction = "new"    // has the node make a key, and have it as a further one
	KeysTake   KeyAction = "take"   // has the node have Key as a further one
	KeysGive   KeyAction = "give"   // has the node pass the key Fingerprint on to the node To
	KeysUse    KeyAction = "use"    // has the node seal with Fingerprint
	KeysRemove KeyAction = "remove" // has the node forget Fingerprint
	KeysReload KeyAction = "reload" // has the node take up what its key file holds
	KeysDone   KeyAction = "done"   // gives the turn back
)

// KeysRequest is what CommandKeys asks for.
type KeysRequest struct {
	Action      KeyAction `json:"action"`
	Ticket      string    `json:"ticket,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Key         Secret    `json:"key,omitempty"` // base64
	To          string    `json:"to,omitempty"`
}

// Secret is a text that may travel and is never shown.
type Secret string

// Format is fmt.Formatter's, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// NodeKeys is what a node says of its gossip keys: their fingerprints, never a key.
type NodeKeys struct {
	Node string    `json:"node"`
	Keys []HeldKey `json:"keys"` // in use: the first seals, all of them open
	Path string    `json:"path"` // of the key file

	File        []string `json:"file"`                   // fingerprints of what it holds, in its order
	FileTrouble string   `json:"file_trouble,omitempty"` // why it cannot be read

	// Next is a file with what Path should hold and the agent may not write there itself; "" for none.
	Next     string   `json:"next,omitempty"`
	NextKeys []string `json:"next_keys,omitempty"`

	Nodes     []string `json:"nodes"`                // that the node is configured with, itself among them
	VotersOff []string `json:"voters_off,omitempty"` // of its configuration

	// Of the answer to a change: which key it was about, and why the file could not be written. Without the file nothing is
	// changed but Next.
	Fingerprint string `json:"fingerprint,omitempty"`
	Unwritten   string `json:"unwritten,omitempty"`
}

// HeldKey is a key in use.
type HeldKey struct {
	Fingerprint string           `json:"fingerprint"`
	Heard       map[string]int64 `json:"heard_age_ms"` // since each other node last sealed with it what arrived; left out: never
}

// Seals is the fingerprint of the key that the node seals with.
func (n NodeKeys) Seals() string {
	if len(n.Keys) == 0 {
		return ""
	}
	return n.Keys[0].Fingerprint
}

// InUse are the fingerprints of the keys in use, the sealing one first.
func (n NodeKeys) InUse() []string {
	return each(n.Keys, func(k HeldKey) string { return k.Fingerprint })
}

// Has reports whether the node opens what was sealed with a key, now and after a restart.
func (n NodeKeys) Has(fingerprint string) bool {
	return slices.Contains(n.InUse(), fingerprint) && (n.FileTrouble != "" || slices.Contains(n.File, fingerprint))
}

// UpToDate reports whether the file holds what is in use.
func (n NodeKeys) UpToDate() bool { return n.FileTrouble == "" && slices.Equal(n.File, n.InUse()) }

// KeyGap is what one node seals, or would after a restart, and another does not open, or would not.
type KeyGap struct{ Key, From, To string }

func (g KeyGap) String() string {
	return fmt.Sprintf("%s seals with %s, which %s does not have", g.From, g.Key, g.To)
}

// KeyGaps is the one rule about keys: what a node seals with has to be held by all the others. It lists where that is
// not so, among nodes as they are or as they would be.
func KeyGaps(nodes []NodeKeys) []KeyGap {
	var out []KeyGap
	for _, from := range nodes {
		seals := []string{from.Seals()}
		if len(from.File) > 0 && from.File[0] != seals[0] {
			seals = append(seals, from.File[0])
		}
		for _, key := range seals {
			for _, to := range nodes {
				if key != "" && to.Node != from.Node && !to.Has(key) {
					out = append(out, KeyGap{Key: key, From: from.Node, To: to.Node})
				}
			}
		}
	}
	return out
}

// KeyFault is something about the keys of a cluster that is not as it should be, with what mends it.
type KeyFault struct {
	Severity Severity // degraded: a node is not understood, or would not be after a restart; or a rotation hangs
	Split    bool     // a node is not understood
	Text     string
	Why      string // what comes of it
	Hint     string
	Nodes    []string
}

// KeyFaults looks for them in what nodes say.
func KeyFaults(nodes []NodeKeys) []KeyFault {
	return slices.Concat(splitFaults(nodes), fileFaults(nodes), stageFaults(nodes))
}

// splitFaults has one fault for each key with which a node is not understood.
func splitFaults(nodes []NodeKeys) []KeyFault {
	var out []KeyFault
	gaps := KeyGaps(nodes)
	for len(gaps) > 0 {
		first := gaps[0]
		var deaf []string
		gaps = slices.DeleteFunc(gaps, func(g KeyGap) bool {
			same := g.From == first.From && g.Key == first.Key
			if same {
				deaf = append(deaf, g.To)
			}
			return same
		})
		verb := "does"
		if len(deaf) > 1 {
			verb = "do"
		}
		out = append(out, KeyFault{
			Severity: SeverityDegraded, Split: true, Nodes: append([]string{first.From}, deaf...), Hint: splitHint(nodes, first.Key),
			Text: fmt.Sprintf("%s seals with %s, which %s %s not have", first.From, first.Key, list(deaf), verb),
			Why:  "what is sealed with a key that a node lacks is lost on it: leases, states, operators' commands",
		})
	}
	return out
}

// splitHint goes for a key that all nodes have, if there is one.
func splitHint(nodes []NodeKeys, lacked string) string {
	for _, key := range nodes[0].InUse() {
		if !slices.ContainsFunc(nodes, func(n NodeKeys) bool { return !n.Has(key) }) {
			return "agentctl keys use " + key + ", which all have"
		}
	}
	return "agentctl keys install " + lacked + " gives it to all"
}

// fileFaults are between the key file of a node and its agent.
func fileFaults(nodes []NodeKeys) []KeyFault {
	var out []KeyFault
	for _, n := range nodes {
		f := KeyFault{Severity: SeverityDegraded, Nodes: []string{n.Node}, Why: "after its next start this node may not understand the others"}
		switch {
		case n.FileTrouble != "":
			f.Text, f.Hint = fmt.Sprintf("the agent on %s could not start again: %s", n.Node, n.FileTrouble), "copy the key file of another host there"
		case n.Next != "" && !slices.Equal(n.NextKeys, n.File):
			f.Text = fmt.Sprintf("%s could not write its key file, and has put what belongs there into %s", n.Node, n.Next)
			f.Hint = KeySaveHint(n.Node)
		case !n.UpToDate():
			f.Text = fmt.Sprintf("the key file of %s has %s, its agent uses %s", n.Node, list(n.File), list(n.InUse()))
			f.Hint = "agentctl keys reload " + n.Node + " has the agent take up the file"
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// KeySaveHint says how an operator writes what an agent may not.
func KeySaveHint(node string) string { return "on " + node + ": sudo agentctl keys save" }

// rotationHangs is what comes of a rotation that was not ended.
const rotationHangs = "whoever has the old key is trusted until no node has it"

// stageFaults are those of a rotation that was begun and not ended.
func stageFaults(nodes []NodeKeys) []KeyFault {
	seals, held := map[string][]string{}, map[string][]string{}
	for _, n := range nodes {
		if n.Seals() == "" {
			continue
		}
		seals[n.Seals()] = append(seals[n.Seals()], n.Node)
		for _, key := range n.InUse() {
			held[key] = append(held[key], n.Node)
		}
	}
	groups := groupsOf(seals)
	if len(groups) > 1 {
		return []KeyFault{{
			Severity: SeverityDegraded, Nodes: groups[len(groups)-1].nodes, Text: "nodes seal with different keys: " + apart(groups),
			Why: rotationHangs, Hint: "agentctl keys use " + groups[0].word + ", or the other one",
		}}
	}
	var out []KeyFault
	for _, key := range slices.Sorted(maps.Keys(held)) {
		if len(seals[key]) > 0 {
			continue
		}
		verb := "has"
		if len(held[key]) > 1 {
			verb = "have"
		}
		out = append(out, KeyFault{
			Severity: SeverityNote, Nodes: held[key], Text: fmt.Sprintf("all seal with %s, and %s %s key %s beside it: a rotation was not ended", groups[0].word, list(held[key]), verb, key),
			Why:  rotationHangs,
			Hint: fmt.Sprintf("agentctl keys rotate --to %s goes on with it; agentctl keys remove %s drops it", key, key),
		})
	}
	return out
}

// groupsOf puts the biggest group first.
func groupsOf(by map[string][]string) []alike {
	var out []alike
	for word, nodes := range by {
		out = append(out, alike{word, nodes})
	}
	slices.SortFunc(out, func(a, b alike) int {
		return cmp.Or(cmp.Compare(len(b.nodes), len(a.nodes)), cmp.Compare(a.word, b.word))
	})
	return out
}

// keyProblems compares the keys of the nodes that were asked what they see.
func (w view) keyProblems() []Problem {
	var nodes []NodeKeys
	for _, v := range w.facts.Views {
		if len(v.Keys) > 0 {
			nodes = append(nodes, NodeKeys{Node: v.Node, File: v.Keys, Keys: each(v.Keys, func(f string) HeldKey { return HeldKey{Fingerprint: f} })})
		}
	}
	return each(KeyFaults(nodes), func(f KeyFault) Problem {
		return Problem{Severity: f.Severity, Code: ProblemKeys, Text: f.Text, Hint: f.Hint, Nodes: f.Nodes, VIPs: []string{}}
	})
}

// keysOf are the keys of a node by its own word, the sealing one first; none unless it was asked.
func (w view) keysOf(node string) []string {
	for _, v := range w.facts.Views {
		if v.Node == node && len(v.Keys) > 0 {
			return v.Keys
		}
	}
	return nil
}
