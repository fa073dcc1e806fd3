package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"memvip/integration/lab"
)

func TestParse(t *testing.T) {
	t.Setenv(lab.BinVar, "/opt/bin")
	tests := []struct {
		args   string
		runs   int
		faults string // names
		fill   int
	}{
		{"", runsDefault, names(faults), fillDefault},
		{"-quick", runsInQuick, names(faults), fillQuick},
		{"-quick -runs 3", 3, names(faults), fillQuick},
		{"-runs 2 -fault host-cut", 2, "host-cut", fillDefault},
		{"-fault host-cut,agent-term", runsDefault, "agent-term host-cut", fillDefault},
		{"-list", runsDefault, names(faults), fillDefault},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			set, err := parse(strings.Fields(tt.args), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if set.runs != tt.runs || names(set.faults) != tt.faults || set.fillBytes != tt.fill {
				t.Errorf("got %d runs of %q with %d bytes", set.runs, names(set.faults), set.fillBytes)
			}
			if set.agentPath() != "/opt/bin/memvip-agent" && !set.list {
				t.Errorf("agent: %s", set.agentPath())
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-runs 0":            "-runs 0: want at least 1",
		"-runs x":            `invalid value "x" for flag -runs: parse error`,
		"-fault nothing":     `-fault: no fault "nothing"; -list names them all`,
		"-fault host-cut,":   `-fault: no fault ""; -list names them all`,
		"-sloppy":            "flag provided but not defined: -sloppy",
		"-runs 1 host-cut":   `unexpected argument "host-cut"`,
		"-fault HOST-CUT":    `-fault: no fault "HOST-CUT"; -list names them all`,
		"-quick -runs -1":    "-runs -1: want at least 1",
		"-list -fault wrong": `-fault: no fault "wrong"; -list names them all`,
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	if _, err := parse([]string{"-h"}, io.Discard); !errors.Is(err, errHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestProgramsAreLookedForInBinUnlessTold(t *testing.T) {
	t.Setenv(lab.BinVar, "")
	set, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	// A full path, since the agents run in another folder.
	if !filepath.IsAbs(set.ctlPath()) || !strings.HasSuffix(set.ctlPath(), "/bin/agentctl") {
		t.Errorf("agentctl: %s", set.ctlPath())
	}
}

func names(some []fault) string {
	var all []string
	for _, f := range some {
		all = append(all, f.name)
	}
	return strings.Join(all, " ")
}
