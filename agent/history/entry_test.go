package history

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
)

// TestEpochs: only what a majority has granted orders the entries of other nodes.
func TestEpochs(t *testing.T) {
	for _, c := range []struct {
		instance, from, to string
		want               uint64
	}{
		{"", "idle", "candidate", 0},
		{"", "candidate", "idle", 0},
		{"", "candidate", "candidate", 0}, // a conflict is seen
		{"", "candidate", "taking", 7},
		{"", "taking", "idle", 7},
		{"", "taking", "holding", 7},
		{"", "holding", "holding", 7}, // likewise
		{"", "holding", "dropping", 7},
		{"", "dropping", "idle", 7},
		{"127.0.0.1:11211", "tainted", "clean", 0}, // proved over another node's term
	} {
		e := FromTransition(core.Transition{
			Name: "10.0.0.101", Instance: c.instance, From: c.from, To: c.to, Term: core.Term{Epoch: 7, Node: "cache1", ID: 1},
		}, at)
		if e.Epoch != c.want || e.Term != "7/cache1/0001" {
			t.Errorf("%s -> %s: epoch %d, want %d; term %s", c.from, c.to, e.Epoch, c.want, e.Term)
		}
	}
}

// TestSchema pins the names of the fields, and what is left out.
func TestSchema(t *testing.T) {
	full := Entry{
		Time: at, Node: "cache2", Start: 3, Seq: 14, Kind: KindChange, VIP: "10.0.0.101", Instance: "127.0.0.1:11211", From: "a",
		To: "b", Cause: "c", Peer: "cache3", Detail: "d", Lasted: 1500, Epoch: 7, Term: "7/cache2/0001", Command: "drain", By: "cache1",
	}
	for want, e := range map[string]Entry{
		`{"time":"2026-11-21T14:03:07.412Z","node":"cache2","start":3,"seq":14,"kind":"change","vip":"10.0.0.101",` +
			`"instance":"127.0.0.1:11211","from":"a","to":"b","cause":"c","peer":"cache3","detail":"d","since_ms":1500,"epoch":7,` +
			`"term":"7/cache2/0001","command":"drain","by":"cache1"}`: full,
		`{"time":"2026-11-21T14:03:07.412001Z","node":"","start":0,"seq":0,"kind":"agent_stops"}`: Stops("", at.Add(time.Microsecond)),
	} {
		got, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}
