//go:build integration

package integration

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"memvip/agent/control"
	"memvip/integration/lab"
)

var transcripts = flag.String("transcripts", "", "`folder` that gets a file for each test with what agentctl said")

// look runs `agentctl status` in a host's namespace, as its operator does, and returns the screen.
func (s *scene) look(t *testing.T, h *lab.Host) string {
	t.Helper()
	var out, complaint bytes.Buffer
	must(t, h.Inside(func() error {
		cmd := exec.CommandContext(within(t), ctlPath, "status", "--socket", h.Agent().Socket())
		cmd.Stdout, cmd.Stderr = &out, &complaint
		err := cmd.Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > int(control.AllWell) && exit.ExitCode() <= int(control.Unserved) {
			return nil // the verdict
		}
		if err != nil {
			return fmt.Errorf("status on %s: %w: %s", h.Name, err, complaint.Bytes())
		}
		return nil
	}))
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > control.Width && len(strings.Fields(line)) > 1 {
			t.Errorf("a line is %d columns wide: %q", n, line)
		}
	}
	return out.String()
}

// record adds a screen of agentctl to the test's file, if somebody wants one.
func record(t *testing.T, h *lab.Host, command, screen string) {
	t.Helper()
	if *transcripts == "" {
		return
	}
	name := filepath.Join(*transcripts, filepath.Base(t.Name())+".txt")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(t, err)
	_, err = fmt.Fprintf(f, "%s# agentctl %s\n%s\n", h.Name, command, screen)
	must(t, errors.Join(err, f.Close()))
}
