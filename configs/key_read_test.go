package configs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A key file is read anew as Load reads it, and refused in the same words.
func TestReadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gossip.key")
	text, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ReadKey(path)
	if err != nil || len(key) != keyBytes || bytes.Equal(key, make([]byte, keyBytes)) {
		t.Errorf("got %d bytes, %v", len(key), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if key, err := ReadKey(path); key != nil || err == nil {
		t.Errorf("mode 0644: got %d bytes, %v", len(key), err)
	} else if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("mode 0644: got a %T", err)
	}
}
