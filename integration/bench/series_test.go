package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoppedSeriesSaysSo(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	s := series{}
	if err := s.run(ctx); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
	stop()
	if err := s.run(ctx); !errors.Is(err, errStopped) || err.Error() != "stopped after 0 of 0 runs" {
		t.Errorf("stopped: %v", err)
	}
}

// Only keepalived may be given up on, and only for not coming to rest. The results say that it was.
func TestGivingUp(t *testing.T) {
	restless := fmt.Errorf("fresh hosts: %w", errUnsettled)
	for _, tt := range []struct {
		contender int
		err       error
		want      bool
	}{{0, restless, false}, {1, restless, true}, {1, errors.New("no room left"), false}, {1, nil, false}} {
		var out strings.Builder
		s := series{progress: &out}
		c := contenders[tt.contender]
		if got := s.givesUp(c, tt.err); got != tt.want {
			t.Errorf("%s, %v: given up: %v", c.name, tt.err, got)
		}
		if tt.want != (len(s.found.Notes) == 1) || tt.want != strings.Contains(renderPromises(s.found), "not measured: "+c.name) {
			t.Errorf("%s, %v: noted as %v", c.name, tt.err, s.found.Notes)
		}
	}
}

func TestEveryRunIsKept(t *testing.T) {
	s := series{set: settings{file: filepath.Join(t.TempDir(), "x.json")}, found: begun(settings{}, somewhere, versions{})}
	s.found.Runs = []sample{{Contender: nameMemvip}}
	if err := s.keep(); err != nil {
		t.Fatal(err)
	}
	if r, err := load(s.set.file); err != nil || len(r.Runs) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	s.set.file = filepath.Join(s.set.file, "below a file")
	if err := s.keep(); err == nil {
		t.Error("kept where nothing can be")
	}
	s.set.file = ""
	if err := s.keep(); err != nil {
		t.Errorf("no file: %v", err)
	}
}
