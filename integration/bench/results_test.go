package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memvip/integration/bench/machine"
)

func settled(t *testing.T, args string) settings {
	t.Helper()
	set, err := parse(strings.Fields(args), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var somewhere = machine.Machine{Cores: 2, CPU: "Imaginary 3000", Memory: "24 GiB", Kernel: "Linux 6.18.0", Load: 0.5, Root: true}

// A series that was stopped goes on, with more contenders, faults and runs, and keeps what was measured.
func TestResume(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "results.json")
	set := settled(t, "-contender memvip -fault host-cut -runs 1 -json "+file)
	r, err := kept(set, begun(set, somewhere, versions{Agent: "v1", Memcached: "1.6"}))
	if err != nil || len(r.Runs) != 0 {
		t.Fatalf("without a file: %d runs, %v", len(r.Runs), err)
	}
	arp := millis(4.2)
	r.Runs = append(r.Runs, sample{Contender: "memvip", Fault: "host-cut", Run: 1, To: "cache2", FirstARP: &arp, Problems: []problem{{problemMoved, "twice"}}})
	r.Steady = append(r.Steady, cost{Contender: "memvip", Seconds: 9, Hosts: []share{{CPU: 1, Sent: rate{2, 3}}}})
	r.Burns = append(r.Burns, slice{Contender: "memvip", Number: 3, Moves: 2})
	r.Notes = []string{"something did not come to rest"}
	if err := r.save(file); err != nil {
		t.Fatal(err)
	}

	more := settled(t, "-contender memvip,keepalived -fault host-cut,memcached-hang -runs 2 -json "+file)
	elsewhen := somewhere
	elsewhen.Load = 3
	got, err := kept(more, begun(more, elsewhen, versions{Agent: "v1", Memcached: "1.6", Keepalived: "2.2"}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Runs, got.Runs) + cmp.Diff(r.Steady, got.Steady) + cmp.Diff(r.Burns, got.Burns); diff != "" {
		t.Error(diff)
	}
	if got.Versions.Keepalived != "2.2" || len(got.Contenders) != 2 || len(got.Faults) != 2 || len(got.Notes) != 0 || got.Machine.Load != 0.5 {
		t.Errorf("resumed as %+v", got)
	}
	left := without(plan(more.contenders, more.faults, more.runs, vips), got.has)
	if n := stepsIn(left); n != 2*2*2-1 {
		t.Errorf("%d runs are left: %v", n, told(left))
	}
	if !got.burned("memvip", 3) || got.burned("memvip", 1) || got.burned("keepalived", 3) {
		t.Error("which slices are done")
	}
}

// What was set up otherwise is not continued but begun anew when that is asked for, and the old figures stay beside.
func TestResumeRefuses(t *testing.T) {
	const args = "-contender memvip,keepalived -fault host-freeze,memcached-kill-big "
	file := filepath.Join(t.TempDir(), "results.json")
	set := settled(t, args+"-json "+file)
	v := versions{Agent: "v1", Memcached: "1.6", Keepalived: "2.2"}
	was := begun(set, somewhere, v)
	was.Runs = []sample{{Contender: "memvip", Fault: "host-freeze", Run: 1}}
	if err := was.save(file); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		set     settings
		machine machine.Machine
		v       versions
		rename  func(*results)
		want    string
	}{
		"version":   {set, somewhere, versions{Agent: "v2", Memcached: "1.6", Keepalived: "2.2"}, nil, `memvip's version was "v1", is "v2"`},
		"memcached": {set, somewhere, versions{Agent: "v1", Memcached: "1.7", Keepalived: "2.2"}, nil, `memcached's version was "1.6", is "1.7"`},
		"theirs":    {set, somewhere, versions{Agent: "v1", Memcached: "1.6", Keepalived: "2.3"}, nil, `keepalived's version was "2.2", is "2.3"`},
		"machine":   {set, machine.Machine{Cores: 4}, v, nil, "the machine was"},
		"fill":      {settled(t, args+"-fill 7 -json "+file), somewhere, v, nil, "memcached-kill-big was"},
		"linger":    {settled(t, args+"-quick -fill 1024 -json "+file), somewhere, v, nil, "host-freeze was"},
		"contender": {set, somewhere, v, func(r *results) { r.Contenders["keepalived"] = "another" }, "keepalived was"},
		"rig":       {set, somewhere, v, func(r *results) { r.Rig = []string{"another"} }, "the rig was"},
	} {
		now := begun(tt.set, tt.machine, tt.v)
		if tt.rename != nil {
			tt.rename(&now)
		}
		_, err := kept(tt.set, now)
		var different *differentError
		if !errors.As(err, &different) || len(different.what) != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want it to say %q alone", name, err, tt.want)
		}
	}

	again := settled(t, args+"-again -json "+file)
	now, err := kept(again, begun(again, somewhere, versions{Agent: "v2"}))
	if err != nil || len(now.Runs) != 0 || now.Versions.Agent != "v2" {
		t.Errorf("again: %+v, %v", now, err)
	}
	if old, err := load(file + ".old"); err != nil || len(old.Runs) != 1 {
		t.Errorf("the old results: %+v, %v", old, err)
	}
	if _, err := kept(again, begun(again, somewhere, v)); err != nil {
		t.Errorf("again without a file: %v", err)
	}
}

func TestLoadRefusesWhatIsNoResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	for _, text := range []string{"", "[]", "{}", `{"runs": 7}`} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q is taken as %+v, %v", text, r, err)
		}
	}
}
