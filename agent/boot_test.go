package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestTheBootIsOneWhileItLasts(t *testing.T) {
	here, err := hostBoot()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9A-Za-z_-]{12}$`).MatchString(here) {
		t.Errorf("got %q", here)
	}
	if again, _ := hostBoot(); again != here {
		t.Errorf("first %q, then %q", here, again)
	}
}

func TestEveryNetworkNamespaceIsAnotherBoot(t *testing.T) {
	here, err := hostBoot()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{here: true}
	for range 3 {
		inNewNetns(t, func() error {
			there, err := hostBoot()
			if err != nil {
				return err
			}
			if seen[there] {
				return fmt.Errorf("%q is the boot of two namespaces", there)
			}
			seen[there] = true
			return nil
		})
	}
}

func TestOneAgentHasTheRuntimeDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "memvip") // made if need be
	unlock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockDir(dir)
	running, ok := errors.AsType[*RunningError](err)
	if !ok || running.PID != os.Getpid() {
		t.Fatalf("locked twice: %v", err)
	}
	if want := fmt.Sprintf("lock %s: another agent is running there, pid %d", dir, os.Getpid()); err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	unlock()
	unlock, err = lockDir(dir)
	if err != nil {
		t.Fatalf("after it was let go: %v", err)
	}
	unlock()
}

func TestALockIsHeldAlthoughItsOwnerCannotBeTold(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := os.WriteFile(filepath.Join(dir, lockName), []byte("nobody"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = lockDir(dir)
	if want := "lock " + dir + ": another agent is running there"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestARuntimeDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := lockDir(filepath.Join(file, "dir"))
	if want := "runtime directory: mkdir " + file + ": not a directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}
