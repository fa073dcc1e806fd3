package hooks

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
	"memvip/agent/history"
)

// told returns the variables with our prefix that a hook was run with, as "name=value", in their order.
func told(t *testing.T, notice func(*bench)) []string {
	t.Helper()
	b := newBench(t)
	b.run("env -0 >environment", far)
	notice(b)
	if o := b.next(); o.Err != nil {
		t.Fatalf("%+v", o)
	}
	list := slices.DeleteFunc(strings.Split(b.read("environment"), "\x00"), func(v string) bool { return !strings.HasPrefix(v, prefix) })
	slices.Sort(list)
	return list
}

// A hook is told what HOOKS.md says and nothing else that has our prefix, whatever the agent's own environment is.
func TestTheEnvironmentIsAsDocumented(t *testing.T) {
	t.Setenv("MEMVIP_CONNECTOR_FD", "7")
	t.Setenv("MEMVIP_EVENT", "nonsense")
	t.Setenv("NOTIFY_SOCKET", "/run/notify")
	got := told(t, func(b *bench) {
		down := changed("10.0.0.102", core.Holding, core.Dropping, core.CauseLinkDown, 6)
		down.Peer = "cache3"
		b.Notice(down)
		b.Notice(changed("10.0.0.102", core.Dropping, core.Idle, core.CauseReleased, 6))
	})
	want := []string{
		"MEMVIP_CLUSTER=cache-prod", "MEMVIP_EPOCH=6", "MEMVIP_EVENT=release", "MEMVIP_HOME=cache2", "MEMVIP_INTERFACE=eth1",
		"MEMVIP_MAC=", "MEMVIP_NODE=cache1", "MEMVIP_PEER=cache3", "MEMVIP_REASON=link_down",
		"MEMVIP_TEXT=lets it go: the interface or its carrier is gone (epoch 6)", "MEMVIP_TIME=2026-11-21T13:03:07.413Z", "MEMVIP_VIP=10.0.0.102",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var names []string
	for _, v := range want {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	documented := rows(t, regexp.MustCompile("(?m)^\\| `(MEMVIP_[A-Z]+)` \\|"))
	var inCode []string
	for _, v := range variables {
		inCode = append(inCode, v.name)
	}
	if diff := cmp.Diff(inCode, documented); diff != "" {
		t.Errorf("HOOKS.md (-code +documented):\n%s", diff)
	}
	if slices.Sort(documented); !slices.Equal(documented, names) {
		t.Errorf("documented: %v", documented)
	}
}

func TestWhatOthersSaidDoesNoHarm(t *testing.T) {
	got := told(t, func(b *bench) {
		b.Notice(history.Entry{
			Kind: history.KindChange, VIP: "10.0.0.101", From: "willing", To: core.RefusalWord, Cause: string(core.CauseTainted),
			Detail: "a\x00b\n\x1b[2J" + strings.Repeat("ü", 3*textBytesMax),
		})
	})
	i := slices.IndexFunc(got, func(v string) bool { return strings.HasPrefix(v, "MEMVIP_TEXT=") })
	if i < 0 || !strings.Contains(got[i], "(a?b??[2Jüü") || len(got[i]) > textBytesMax+len("MEMVIP_TEXT=") {
		t.Errorf("%.200q", got)
	}
}

// rows returns what an expression finds in HOOKS.md.
func rows(t *testing.T, row *regexp.Regexp) []string {
	t.Helper()
	text, err := os.ReadFile("HOOKS.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	return found
}

// Every kind has its row, and every reason that is documented is a cause of core's.
func TestKindsAndReasonsAreDocumented(t *testing.T) {
	kinds := []string{string(Claim), string(Release), string(Refusal), string(Conflict)}
	if got := rows(t, regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|")); !slices.Equal(got, append(kinds, kinds...)) {
		t.Errorf("rows for %v", got)
	}
	causes, err := os.ReadFile("../core/effect.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range rows(t, regexp.MustCompile("(?m)^\\| `[a-z]+` \\| (`.*`) \\|$")) {
		for _, word := range strings.Split(line, ", ") {
			n++
			if !strings.Contains(string(causes), `= "`+strings.Trim(word, "`")+`"`) {
				t.Errorf("%s is no cause", word)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d reasons found", n)
	}
}
