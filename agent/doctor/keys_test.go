package doctor

import (
	"testing"

	"memvip/agent/control"
)

func TestKeys(t *testing.T) {
	node := func(name string, keys ...string) control.NodeKeys {
		n := control.NodeKeys{Node: name, File: keys}
		for _, k := range keys {
			n.Keys = append(n.Keys, control.HeldKey{Fingerprint: k})
		}
		return n
	}
	other := node("b", "old")
	other.File = []string{"old", "new"}
	for _, c := range []struct {
		name  string
		nodes []control.NodeKeys
		want  want
	}{
		{"one key", []control.NodeKeys{node("a", "old"), node("b", "old")}, want{CheckKeys, OK, "a and b seal with one key, old"}},
		{"a rotation hangs", []control.NodeKeys{node("a", "new", "old"), node("b", "old", "new")}, want{CheckKeys, Warning, "new on a; old on b|agentctl keys use new"}},
		{"a key is left", []control.NodeKeys{node("a", "new"), node("b", "new", "old")}, want{CheckKeys, Warning, "b has key old|agentctl keys rotate --to old"}},
		{"a file is not in use", []control.NodeKeys{node("a", "old"), other}, want{CheckKeys, Warning, "key file of b|agentctl keys reload b"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantOnly(t, Keys("a", c.nodes), c.want) })
	}
	split := Keys("a", []control.NodeKeys{node("a", "old"), node("b", "new", "old")})
	if Worst(split) != Failure || split[0].Check != CheckKeys || split[0].Node != "a" {
		t.Errorf("a split is %+v", split)
	}
	if alone := Keys("a", []control.NodeKeys{node("a", "old")}); len(alone) > 0 {
		t.Errorf("one node alone is compared: %+v", alone)
	}
}
