//go:build integration

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"memvip/integration/apart"
	"memvip/integration/lab"
)

// roleVar makes the test binary play the demo itself.
const roleVar = "MEMVIP_DEMO_TEST_ROLE"

// patience is how long a test waits for what must happen; only a failing test waits that long.
const patience = 90 * time.Second

// programDir holds memvip-agent and agentctl.
var programDir string

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) != "" {
		main()
	}
	code, err := lab.WithPrograms(func(dir string) int {
		programDir = dir
		return m.Run()
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// show is one demo under way.
type show struct {
	cmd   *exec.Cmd
	out   *bufio.Reader
	seen  strings.Builder
	token string // in the environment of all its processes
	tmp   string // its TMPDIR
}

func begin(t *testing.T, env ...string) *show {
	t.Helper()
	s := &show{token: fmt.Sprintf("MEMVIP_DEMO_TEST_TOKEN=%d-%s", os.Getpid(), t.Name()), tmp: t.TempDir()}
	s.cmd = exec.Command("/proc/self/exe")
	s.cmd.Env = append(os.Environ(), roleVar+"=demo", lab.BinVar+"="+programDir, "TMPDIR="+s.tmp, s.token)
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	limit := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	t.Cleanup(func() { limit.Stop() })
	return s
}

// readTo reads what the demo prints up to a line that holds the words.
func (s *show) readTo(t *testing.T, words string) {
	t.Helper()
	for {
		line, err := s.out.ReadString('\n')
		s.seen.WriteString(line)
		if strings.Contains(line, words) {
			return
		}
		if err != nil {
			t.Fatalf("no line with %q (%v) in:\n%s", words, err, s.seen.String())
		}
	}
}

// end reads the rest, waits for the end and returns the exit code, as a shell has it.
func (s *show) end(t *testing.T) int {
	t.Helper()
	if _, err := io.Copy(&s.seen, s.out); err != nil {
		t.Fatal(err)
	}
	// How it ended is in ProcessState.
	_ = s.cmd.Wait()
	return apart.ExitCode(s.cmd.ProcessState)
}

// assertNothingLeft fails the test if a process, a mount or a file of the demo remains.
func (s *show) assertNothingLeft(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		left := processesWith(s.token)
		if len(left) == 0 {
			break
		}
		select {
		case <-tick.C: // a process that was killed takes a moment to be gone
		case <-deadline:
			t.Fatalf("processes left: %v", left)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), "memvip") {
		t.Errorf("mounts left (%v):\n%s", err, mounts)
	}
	for _, pattern := range []string{s.tmp + "/*", "/run/memvip-lab-*", "/run/netns/memvip-lab-*", "/tmp/memvip-lab-*"} {
		if files, err := filepath.Glob(pattern); err != nil || len(files) > 0 {
			t.Errorf("%s: files left: %v %v", pattern, files, err)
		}
	}
}

// processesWith lists the processes that have the token in their environment.
func processesWith(token string) []int {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	var some []int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || !strings.Contains("\x00"+string(b), "\x00"+token+"\x00") {
			continue // not ours, or gone meanwhile
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
			some = append(some, pid)
		}
	}
	return some
}

// The demo as `make demo` runs it: all five steps, both promises kept, fit for a plain terminal.
func TestWholeDemo(t *testing.T) {
	s := begin(t)
	if code := s.end(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.assertNothingLeft(t)
	text := s.seen.String()
	for i, p := range story {
		if !strings.Contains(text, fmt.Sprintf("%d  %s\n", i+1, p.title)) {
			t.Errorf("step %q is not shown", p.title)
		}
	}
	if n := strings.Count(text, "$ agentctl status\n"); n != 2 {
		t.Errorf("agentctl status is shown %d times, want 2", n)
	}
	for l := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(l, "\n")) > width {
			t.Errorf("wider than %d columns: %q", width, l)
		}
	}
	t.Log("\n" + text)
}

// Whenever it is told to end, it does, says so by its exit code, and leaves nothing behind.
func TestInterrupted(t *testing.T) {
	rootless := lab.RootlessVar + "=1"
	for _, c := range []struct {
		name   string
		moment string // in a line of the output
		signal syscall.Signal
		env    []string
	}{
		{name: "at once", moment: "memvip:", signal: unix.SIGINT},
		{name: "while the cluster starts", moment: "no voter grants anything", signal: unix.SIGTERM},
		{name: "in a failover", moment: "2  memcached on cache1", signal: unix.SIGINT},
		{name: "killed in a failover", moment: "2  memcached on cache1", signal: unix.SIGKILL},
		{name: "rootless, while the cluster starts", moment: "no voter grants anything", signal: unix.SIGINT, env: []string{rootless}},
		{name: "rootless, with a host cut off", moment: "Then the port of cache2", signal: unix.SIGHUP, env: []string{rootless}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := begin(t, c.env...)
			s.readTo(t, c.moment)
			if err := s.cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if code, want := s.end(t), 128+int(c.signal); code != want {
				t.Errorf("exit code %d, want %d; it printed:\n%s", code, want, s.seen.String())
			}
			s.assertNothingLeft(t)
		})
	}
}
