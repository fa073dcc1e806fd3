package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"memvip/agent/control"
)

// TestPaint: on a terminal every line is written over the last page's and cleared behind, and nothing is cleared first,
// which would flicker.
func TestPaint(t *testing.T) {
	var out bytes.Buffer
	for _, page := range []string{"one\ntwo\nthree\n", "1\n"} {
		out.Reset()
		if err := paint(&out, page, true); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if want := cursorHome + strings.ReplaceAll(page, "\n", clearRest+"\n") + clearBelow; got != want {
			t.Errorf("painted %q, want %q", got, want)
		}
	}
	out.Reset()
	if err := paint(&out, "one\n", false); err != nil || out.String() != "one\n\n" {
		t.Errorf("without a terminal: %q, %v", out.String(), err)
	}
}

// TestWatchGoesOn: a watched status is shown again and again, also while no agent answers, until it is interrupted.
func TestWatchGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	server, err := control.Serve(path, func(_ context.Context, r control.Request) control.Response {
		return fakeAnswer(situations["well"], r)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	out := &pages{every: make(chan string, 16)}
	root := command()
	root.SetArgs([]string{"status", "--watch", "--socket", path})
	root.SetOut(out)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	for range 2 {
		if page := <-out.every; !strings.Contains(page, "all well") {
			t.Errorf("shown:\n%s", page)
		}
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for page := range out.every {
		if strings.Contains(page, "no status: ") {
			break
		}
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

// pages hands on what is written, a page at a time.
type pages struct{ every chan string }

func (p *pages) Write(b []byte) (int, error) {
	p.every <- string(b)
	return len(b), nil
}
