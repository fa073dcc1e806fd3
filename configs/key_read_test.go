package configs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A key file is read anew as Load reads it, and refused in the same words.
func TestReadKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gossip.key")
	text := NewKey().Text()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := ReadKeyFile(path)
	if err != nil || len(f.Keys()) != 1 || f.Keys()[0].Text() != text {
		t.Errorf("got %v, %v", f.Keys(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if f, err := ReadKeyFile(path); f.Keys() != nil || err == nil {
		t.Errorf("mode 0644: got %v, %v", f.Keys(), err)
	} else if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("mode 0644: got a %T", err)
	}
}
