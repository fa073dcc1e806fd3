package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"golang.org/x/sys/unix"

	"memvip/agent/control"
	"memvip/agent/hooks"
)

// withHooks has a configuration's agents run a script for everything.
func withHooks(t *testing.T, config, script string) {
	t.Helper()
	argv := fmt.Sprintf("[%q, %q, %q]", "/bin/sh", "-c", script)
	appendTo(t, config, fmt.Sprintf("\n[hooks]\nclaim = %[1]s\nrelease = %[1]s\nrefusal = %[1]s\nconflict = %[1]s\n", argv))
}

// readLines returns the lines of a file, sorted; none if there is no file.
func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	list := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Sort(list)
	return list
}

// An agent's hooks hear of every claim and, before it has ended, of every release.
func TestHooksOfALife(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	h := startHomeWith(t, func(config string) {
		withHooks(t, config, `sleep 0.5; echo "$MEMVIP_EVENT $MEMVIP_VIP on $MEMVIP_INTERFACE of $MEMVIP_NODE, home $MEMVIP_HOME, in $MEMVIP_CLUSTER: $MEMVIP_REASON" >>`+told)
	}, func(string) error { return unix.ENOEXEC })
	eventually(t, "the claims are told", func() bool { return len(readLines(t, told)) == 2 })
	h.end(t) // the hooks of the releases take longer than all else
	want := []string{
		"claim 10.77.0.101 on lan0 of h1, home h1, in test: hint", "claim 10.77.0.102 on lan1 of h1, home h1, in test: hint",
		"release 10.77.0.101 on lan0 of h1, home h1, in test: stop", "release 10.77.0.102 on lan1 of h1, home h1, in test: stop",
	}
	if got := readLines(t, told); !slices.Equal(got, want) {
		t.Errorf("told\n%s", strings.Join(got, "\n"))
	}
}

// Hooks that hang hold up neither a life nor its successor, and the end only so long.
func TestHooksThatHang(t *testing.T) {
	h := startHomeWith(t, func(config string) { withHooks(t, config, "exec sleep 1000") }, func(string) error { return unix.ENOEXEC })
	before := awaitHeld(t, h.dir, control.Report{})
	h.program.wanted <- unix.SIGUSR2
	environment := <-h.became
	if !slices.ContainsFunc(environment, func(v string) bool { return strings.HasPrefix(v, hooks.Variable+"=") }) {
		t.Errorf("the next program is left no hooks: %q", environment)
	}
	now := awaitHeld(t, h.dir, before)
	if n := now.Counters["hooks_run"]; n != 0 {
		t.Errorf("%d hooks have ended", n)
	}
	h.end(t)
	if isUp(t, "lan0", "10.77.0.101") {
		t.Error("up after the agent has ended")
	}
}

func TestWhatBecameOfAHookIsLogged(t *testing.T) {
	log, lines := logtest.NewNullLogger()
	d := newDiary(log)
	event := hooks.Event{Kind: hooks.Claim, VIP: string(vipA)}
	d.hook(hooks.Outcome{Event: event, Output: "told it"})
	d.hook(hooks.Outcome{Event: event, Code: 3, Err: errors.New("exit code 3")})
	d.hookDropped(event)
	var got []string
	for _, e := range lines.AllEntries() {
		delete(e.Data, fieldTook)
		got = append(got, fmt.Sprint(e.Level, " ", e.Message, " ", e.Data))
	}
	want := []string{
		fmt.Sprint("info hook done ", logrus.Fields{fieldHook: "claim", fieldVIP: string(vipA), fieldExitCode: 0, fieldOutput: "told it"}),
		fmt.Sprint("warning hook failed ", logrus.Fields{fieldHook: "claim", fieldVIP: string(vipA), fieldExitCode: 3, fieldError: "exit code 3"}),
		fmt.Sprint("warning hook not run: too many wait, or the agent ends ", logrus.Fields{fieldHook: "claim", fieldVIP: string(vipA)}),
	}
	if !slices.Equal(got, want) {
		t.Errorf("logged\n%s", strings.Join(got, "\n"))
	}
}
