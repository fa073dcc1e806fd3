//go:build integration

package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var errSeen = errors.New("not seen yet")

func itoa(n int) string { return strconv.Itoa(n) }

func TestFill(t *testing.T) {
	const size = 32 << 20
	l := newLab(t, Options{Hosts: 1, MemcachedArgs: []string{"-m", "128"}})
	must(t, l.Hosts[0].Memcached().Fill(within(t), size))
	s, err := l.Hosts[0].Memcached().Open(within(t))
	must(t, err)
	defer s.Close()
	stats, err := s.Stats("")
	must(t, err)
	if n, err := strconv.Atoi(stats["bytes"]); err != nil || n < size {
		t.Errorf("%s bytes stored, want %d", stats["bytes"], size)
	}
	if err := l.Hosts[0].Memcached().Fill(within(t), 8*size); err == nil || !strings.Contains(err.Error(), "raise -m") {
		t.Errorf("overfilled: %v", err)
	}
}

func TestSession(t *testing.T) {
	l := newLab(t, Options{Hosts: 1})
	s, err := l.OpenVIP(within(t), l.VIPs[0].Addr)
	must(t, err)
	defer s.Close()
	if _, found, err := s.Get("k"); found || err != nil {
		t.Errorf("get of nothing: %v, %v", found, err)
	}
	must(t, s.Set("k", "v"))
	if v, found, err := s.Get("k"); v != "v" || !found || err != nil {
		t.Errorf("get: %q, %v, %v", v, found, err)
	}
}

// script writes an executable that stands for the agent or agentctl.
func script(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755))
	return path
}

// The agent is started with its configuration, name and folder, and everything that a test does to one works.
func TestAgentLife(t *testing.T) {
	l := newLab(t, Options{
		Agent:     script(t, "agent", "trap 'echo ended; exit 3' TERM\ntouch state\necho started \"$@\"\nwhile :; do sleep 0.01; done\n"),
		AgentCtl:  script(t, "agentctl", "echo '{\"asked\": \"'\"$*\"'\"}'\nexit 1\n"),
		AgentArgs: []string{"--more"},
	})
	must(t, l.StartAgents())
	a := l.Host("cache2").Agent()
	waitLog(t, a, "started --config "+l.Config()+" --node cache2 --runtime-dir "+a.RuntimeDir()+" --netns "+l.Host("cache2").Netns()+" --more")
	if info, err := os.Stat(filepath.Join(l.Dir(), "gossip.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v, want mode 0600", info, err)
	}
	status, err := a.Status(within(t))
	must(t, err)
	if status.ExitCode != 1 || status.Fields["asked"] != "--socket "+a.Socket()+" status --json" {
		t.Errorf("status: %d, %s", status.ExitCode, status.Raw)
	}

	struck(t)(a.Freeze())
	struck(t)(a.Thaw())
	if err := a.LoseState(); err == nil {
		t.Error("state lost under a running agent")
	}
	done := a.Done()
	struck(t)(a.Term())
	<-done
	if a.ExitCode() != 3 || !strings.Contains(a.Log(), "ended") {
		t.Errorf("exit code %d, log:\n%s", a.ExitCode(), a.Log())
	}
	if _, err := a.Kill(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("kill of the dead: %v, want %v", err, ErrNotRunning)
	}
	state := filepath.Join(a.RuntimeDir(), "state")
	if _, err := os.Stat(state); err != nil {
		t.Errorf("state is not kept: %v", err)
	}
	must(t, a.LoseState())
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("state is not lost: %v", err)
	}
	must(t, a.Start())
	struck(t)(a.Kill())

	a.Inside = true
	must(t, a.Start())
	waitLog(t, a, "started --config "+l.Config()+" --node cache2 --runtime-dir "+a.RuntimeDir()+" --more")
	inode, err := namespaceOf(a.PID())
	must(t, err)
	if inode != a.host.node.inode {
		t.Error("an agent that was started inside is not in its host's namespace")
	}
	struck(t)(a.Kill())
}

func waitLog(t *testing.T, a *Agent, want string) {
	t.Helper()
	must(t, poll(within(t), func() error {
		if !strings.Contains(a.Log(), want) {
			return errors.New("log of " + a.name + " lacks " + want + ":\n" + a.Log())
		}
		return nil
	}))
}

func TestNewWithoutEnter(t *testing.T) {
	furnished = false
	defer func() { furnished = true }()
	if _, err := New(Options{}); err == nil || err.Error() != "lab: Enter must be called first thing in main or TestMain" {
		t.Errorf("New: %v", err)
	}
}

// What a client costs, as a share of one core; what it measures shares the machine with it.
func BenchmarkClient(b *testing.B) {
	l, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if err := l.StartMemcached(); err != nil {
		b.Fatal(err)
	}
	for _, v := range l.VIPs {
		if err := errors.Join(v.Home.TakeByHand(v.Addr), v.Home.AnnounceByHand(v.Addr)); err != nil {
			b.Fatal(err)
		}
	}
	for _, bb := range []struct {
		name string
		down bool
	}{{"served", false}, {"nobody answers", true}} {
		b.Run(bb.name, func(b *testing.B) { benchmarkClient(b, l, bb.down) })
	}
}

func benchmarkClient(b *testing.B, l *Lab, down bool) {
	if down {
		for _, h := range l.Hosts {
			if _, err := l.Cut(h); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		start := Now()
		c, err := l.StartClient(ClientOptions{})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := c.WaitFor(ctx, 3*time.Second); err != nil {
			b.Fatal(err)
		}
		cancel()
		took := Now().Sub(start)
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(100*float64(c.Used())/float64(took), "%core")
		n := 0
		for _, v := range l.VIPs {
			t := c.Totals(v.Addr)
			n += t.Answers + t.Failures()
		}
		b.ReportMetric(float64(n)/took.Seconds(), "attempts/s")
	}
}
