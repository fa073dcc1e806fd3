package main

import (
	"os"
	"os/exec" // who may not read the key is another process
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"memvip/configs"
)

// A member of the group memvip may read the configuration and not the key: the file is not bad for that.
func TestCheckWithoutTheKey(t *testing.T) {
	folder := t.TempDir()
	put := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	const good = `[cluster]
name     = "cache-prod"
voters   = { cache1 = "10.0.0.11", cache2 = "10.0.0.12", cache3 = "10.0.0.13" }
key_file = "gossip.key"
[memcached]
address = "127.0.0.1:11211"
[[vip]]
address = "10.0.0.101"
home    = "cache1"
`
	put("good.toml", good, 0o644)
	put("bad.toml", strings.Replace(good, `home    = "cache1"`, `home    = "cache9"`, 1), 0o644)
	put("gossip.key", configs.NewKey().Text()+"\n", 0)
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		exit int
		says []string // on both outputs, a line that begins so
	}{
		{"good.toml", exitOK, []string{
			"FILE: good", "cluster    cache-prod, digest ", "addresses  10.0.0.101",
			"warning: FILE:4: cluster.key_file: KEY: cannot be read: permission denied: the key was not looked at: run it as root",
		}},
		{"bad.toml", exitDegraded, []string{"FILE:9: vip.home: ", "agentctl: check: FILE will not do: 1 mistake"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			out, exit := withoutRights(t, folder, "check", "/proc/self/fd/3/"+c.file, "--socket", "/nonexistent/agent.sock")
			if exit != c.exit {
				t.Errorf("exit code %d, want %d", exit, c.exit)
			}
			for _, line := range c.says {
				line = strings.NewReplacer("FILE", "/proc/self/fd/3/"+c.file, "KEY", "/proc/self/fd/3/gossip.key").Replace(line)
				if !strings.Contains("\n"+out, "\n"+line) {
					t.Errorf("no line %q in\n%s", line, out)
				}
			}
		})
	}
}

// withoutRights runs agentctl as nobody, or as the user of the tests if that is not root. The folder is its descriptor 3,
// and the program the kernel's link to it: the paths to both lead through folders that nobody may enter.
func withoutRights(t *testing.T, folder string, args ...string) (out string, exit int) {
	t.Helper()
	open, err := os.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	const nobody = 65534
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Args[0] = "agentctl" // by which TestMain knows what to be
	cmd.ExtraFiles = []*os.File{open}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	both, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(both), cmd.ProcessState.ExitCode()
}
