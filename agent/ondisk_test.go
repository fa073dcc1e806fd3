package agent

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memvip/agent/control"
)

// What stands in the file is told; what cannot be read in time keeps nobody, and is told once it could be.
func TestTheFileOnTheDiskIsLookedAt(t *testing.T) {
	running := cluster(t)
	dir := t.TempDir()
	running.Path = filepath.Join(dir, "agent.toml")
	d := &diskLook{running: running}
	if s := d.seen(); s != (control.OnDisk{}) {
		t.Errorf("before the first look: %+v", s)
	}
	d.look(t.Context())
	if s := d.seen(); !strings.Contains(s.Fault, "no such file") {
		t.Errorf("without a file: %+v", s)
	}
	writeText(t, running.Path, "[cluster]\nlease = 1\n")
	d.look(t.Context())
	if s := d.seen(); !strings.Contains(s.Fault, "cluster.name: missing") || !strings.Contains(s.Fault, " more") {
		t.Errorf("a bad file: %+v", s)
	}

	writeText(t, running.Path, "what nobody gets to read")
	stuck := make(chan struct{}) // as a disk that stands
	d.mu.Lock()
	d.under = stuck
	d.mu.Unlock()
	begun := time.Now()
	d.look(t.Context())
	if s := d.seen(); !strings.Contains(s.Fault, "missing") || time.Since(begun) < diskPatience {
		t.Errorf("waited %s, and saw %+v", time.Since(begun), s)
	}
}
