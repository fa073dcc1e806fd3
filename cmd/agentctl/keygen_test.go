package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A key belongs to whom its folder belongs: who runs this may be root, and the agent is not.
func TestKeyBelongsToItsFolder(t *testing.T) {
	for _, c := range []struct {
		name   string
		folder os.FileMode
		uid    int
		want   os.FileMode
	}{
		{"the agent's own", 0o700, 1, 0o600},
		{"its group's", 0o750 | os.ModeSetgid, os.Geteuid(), 0o640},
		{"anybody's", 0o755, os.Geteuid(), 0o600},
	} {
		folder := t.TempDir()
		uid := os.Geteuid()
		if uid == 0 { // else there is but one user whose the file can be
			uid = c.uid
		}
		if err := os.Chown(folder, uid, -1); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(folder, c.folder); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, "gossip.key")
		if err := writeKey(path, "key\n"); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != uid || info.Mode() != c.want {
			t.Errorf("%s: of user %d with mode %v, want %d and %v", c.name, owner, info.Mode(), uid, c.want)
		}
	}
}
