package control

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
	"memvip/agent/history"
)

// TestExplanations runs the situations of testdata/explain: those of testdata/report, with what nodes answer when they are
// asked about a VIP or a node. Beyond cluster.apply's directives there are
//
//	unreached NODE: WHY
//	past NODE VIP FROM TO CAUSE   an entry of the history
//	candidate VIP NODE clean owes held=N
//	config NODE DIGEST
//	unbounded                     an agent that does not tell the bounds
//	sight NODE VIP holder=NODE macs=MAC,... asked: TROUBLE
func TestExplanations(t *testing.T) {
	here := time.Local // which history.Render writes
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = here })
	datadriven.Walk(t, "testdata/explain", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			a := asking{cluster: newCluster(), unreached: map[string]string{}}
			for line := range strings.Lines(d.Input) {
				if line = strings.TrimSpace(line); line != "" {
					a.apply(t, line)
				}
			}
			return checkExplanation(t, a.explain(t, d.Cmd, d.CmdArgs[0].Key))
		})
	})
}

// asking is a cluster whose nodes are asked.
type asking struct {
	*cluster
	unreached map[string]string
	past      []history.Entry
}

func (a *asking) apply(t *testing.T, line string) {
	head, text, _ := strings.Cut(line, ": ")
	words := strings.Fields(head)
	d := directive{t: t, words: words, text: text}
	switch words[0] {
	case "unreached":
		a.unreached[words[1]] = text
	case "past":
		a.past = append(a.past, history.Entry{
			Time: noon.Add(time.Duration(len(a.past)-60) * time.Second), Node: words[1], Seq: uint64(len(a.past) + 1),
			Kind: history.KindChange, VIP: words[2], From: words[3], To: words[4], Cause: words[5],
		})
	case "candidate":
		v := a.vip(words[1])
		held, _ := strconv.Atoi(d.value("held", "0"))
		v.Candidates = append(v.Candidates, core.CandidateStatus{
			Node: words[2], Home: words[2] == v.Home, Clean: d.has("clean"), OwesProof: d.has("owes"), Held: held,
		})
	case "config":
		a.node(words[1]).State.Config = words[2]
	case "unbounded":
		a.facts.Settings = Settings{}
	case "sight":
		s := VIPSight{Address: words[2], Holder: d.value("holder", ""), Asked: d.has("asked"), Trouble: text}
		if macs := d.value("macs", ""); macs != "" {
			s.MACs = strings.Split(macs, ",")
		}
		a.facts.Views = append(a.facts.Views, View{Node: words[1], VIPs: []VIPSight{s}})
	default:
		a.cluster.apply(t, line)
	}
}

// explain asks every node that is reached, each of which has the lease of what it holds.
func (a *asking) explain(t *testing.T, kind, name string) Explanation {
	t.Helper()
	for i := range a.status.Nodes {
		a.status.Nodes[i].State.MACs = []string{"02:00:00:00:00:0" + string(rune('1'+i))}
	}
	r := a.report()
	others := map[string]Report{}
	for _, node := range r.NodeNames() {
		if _, silent := a.unreached[node]; !silent && node != r.Node {
			others[node] = a.seenFrom(node)
		}
	}
	var e Explanation
	if v, ok := r.FindVIP(name); kind == "vip" && ok {
		if v.Holder == r.Node {
			v, _ = a.seenFrom(r.Node).FindVIP(name)
		}
		e = ExplainVIP(r, v, others, a.unreached)
	} else if n, ok := r.FindNode(name); kind == "node" && ok {
		e = ExplainNode(r, n, others, a.unreached)
	} else {
		t.Fatalf("no %s %s", kind, name)
	}
	e.History = append(e.History, a.past...)
	return e
}

// seenFrom is the report of a node.
func (a *asking) seenFrom(node string) Report {
	r := a.report()
	r.Node = node
	for i := range r.VIPs {
		if v := &r.VIPs[i]; v.Holder == node {
			term := core.Term{Epoch: v.Epoch, Node: node, ID: 1}
			v.Lease = &Lease{Term: term.String(), Left: 540, GrantedBy: []string{"cache1", "cache2"}, Confirmed: []string{"cache2"}}
		}
	}
	return r
}

// checkExplanation demands what holds of every explanation, and returns its screen.
func checkExplanation(t *testing.T, e Explanation) string {
	t.Helper()
	plain := explained(t, e, false)
	for line := range strings.Lines(plain) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > Width {
			t.Errorf("a line is %d columns wide: %q", n, line)
		}
	}
	escapes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	if bare := escapes.ReplaceAllString(explained(t, e, true), ""); bare != plain {
		t.Errorf("colour changes the text:\n%s", cmp.Diff(plain, bare))
	}
	for _, named := range command.FindAllStringSubmatch(plain, -1) {
		if !slices.Contains([]string{"explain", "history", "doctor", "handback", "resume", "undrain"}, named[1]) {
			t.Errorf("a command that does not exist: %q", named[0])
		}
	}
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("null")) {
		t.Errorf("null in %s", raw)
	}
	var back Explanation
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if got := explained(t, back, false); got != plain {
		t.Errorf("after JSON the screen differs:\n%s", cmp.Diff(plain, got))
	}
	return plain
}

func explained(t *testing.T, e Explanation, color bool) string {
	t.Helper()
	var b strings.Builder
	if err := RenderExplanation(&b, e, Width, color); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEveryStandingHasAChance: whatever a node says of itself, and whoever holds the VIP, its chance is said.
func TestEveryStandingHasAChance(t *testing.T) {
	for _, s := range codes[core.Standing]() {
		for _, holder := range []string{"cache1", "cache2", "nobody"} {
			a := asking{cluster: newCluster()}
			a.apply(t, "vip 10.0.0.102 holder="+holder)
			a.part("cache2", "10.0.0.102").Standing = s
			e := a.explain(t, "vip", "10.0.0.102")
			checkExplanation(t, e)
			for _, c := range e.VIP.Nodes {
				if c.Text == "" || c.Rank > 0 && c.Holds {
					t.Errorf("%s, held by %s: %+v", s, holder, c)
				}
			}
			checkExplanation(t, a.explain(t, "node", "cache2"))
		}
	}
}

func TestFindVIP(t *testing.T) {
	r := Report{VIPs: []VIP{{Address: "10.0.0.101"}, {Address: "2001:db8::1"}}}
	for spelt, want := range map[string]string{
		"10.0.0.101": "10.0.0.101", "2001:DB8:0::1": "2001:db8::1", "10.0.0.9": "", "": "", "cache1": "",
	} {
		if v, ok := r.FindVIP(spelt); v.Address != want || ok != (want != "") {
			t.Errorf("FindVIP(%q) = %q, %t", spelt, v.Address, ok)
		}
	}
}
