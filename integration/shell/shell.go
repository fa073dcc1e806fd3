package shell

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands are what sessions have beyond testscript's own commands, by name.
type Commands map[string]func(ts *testscript.TestScript, neg bool, args []string)

// Run runs every session, each as a subtest. Setup, which may be nil, is called before each. Beside the
// given commands they have
//
//	exits CODE COMMAND...    runs a command and demands an exit code
//
// With UPDATE_SCRIPTS in the environment, what cmp compares is rewritten instead.
func Run(t *testing.T, setup func(*testscript.Env) error, more Commands) {
	t.Helper()
	commands := Commands{"exits": exits}
	maps.Copy(commands, more)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: setup, Cmds: commands,
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d; stderr: %s", got, want, ts.ReadFile("stderr"))
	}
}
