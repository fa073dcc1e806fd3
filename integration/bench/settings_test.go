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
	everybody := names(contenders)
	tests := []struct {
		args       string
		runs       int
		contenders string
		faults     string
		fill       int // MiB
	}{
		{"", runsDefault, "memvip", names(faults), fillDefault},
		{"-quick", runsInQuick, "memvip", names(faults), fillQuick},
		{"-quick -runs 3 -fill 7", 3, "memvip", names(faults), 7},
		{"-runs 2 -fault host-cut", 2, "memvip", "host-cut", fillDefault},
		{"-fault host-cut,memcached-hang", runsDefault, "memvip", "memcached-hang host-cut", fillDefault},
		{"-list", runsDefault, "memvip", names(faults), fillDefault},
		{"-contender all -fault none", runsDefault, everybody, "", fillDefault},
		{"-contender keepalived-limit,memvip", runsDefault, "memvip keepalived-limit", names(faults), fillDefault},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			set, err := parse(strings.Fields(tt.args), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if set.runs != tt.runs || names(set.faults) != tt.faults || set.fillBytes != tt.fill<<20 || names(set.contenders) != tt.contenders {
				t.Errorf("got %d runs of %q with %d bytes for %q", set.runs, names(set.faults), set.fillBytes, names(set.contenders))
			}
			if names(set.burners) != tt.contenders || set.theirs() != strings.Contains(tt.contenders, "keepalived") {
				t.Errorf("busy loops for %q, theirs: %v", names(set.burners), set.theirs())
			}
			if set.agentPath() != "/opt/bin/memvip-agent" {
				t.Errorf("agent: %s", set.agentPath())
			}
		})
	}
}

func TestBusyLoopsAreForSomeOfTheContenders(t *testing.T) {
	set, err := parse(strings.Fields("-contender memvip,keepalived -burn-contender memvip,keepalived-limit"), io.Discard)
	if err != nil || names(set.burners) != "memvip" {
		t.Errorf("busy loops for %q, %v; want memvip alone, since the other takes no part", names(set.burners), err)
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-runs 0":            "-runs 0: want at least 1",
		"-runs x":            `invalid value "x" for flag -runs: parse error`,
		"-fill 0":            "-fill 0: want at least 1 (MiB)",
		"-burn -1s":          "-steady, -burn: want no less than 0",
		"-again":             "-again: it needs -json FILE",
		"-page x.md":         "-page: it needs -json FILE or -report FILE",
		"-contender nobody":  `-contender: there is no "nobody"; -list names them all`,
		"-contender none":    `-contender: there is no "none"; -list names them all`,
		"-fault nothing":     `-fault: there is no "nothing"; -list names them all`,
		"-fault host-cut,":   `-fault: there is no ""; -list names them all`,
		"-burn-contender x":  `-burn-contender: there is no "x"; -list names them all`,
		"-sloppy":            "flag provided but not defined: -sloppy",
		"-runs 1 host-cut":   `unexpected argument "host-cut"`,
		"-fault HOST-CUT":    `-fault: there is no "HOST-CUT"; -list names them all`,
		"-quick -runs -1":    "-runs -1: want at least 1",
		"-list -fault wrong": `-fault: there is no "wrong"; -list names them all`,
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

func names[T named](some []T) string {
	var all []string
	for _, v := range some {
		all = append(all, v.title())
	}
	return strings.Join(all, " ")
}
