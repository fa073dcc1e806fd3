// Package keep has a benchmark's figures outlive it, so that a further call goes on where one was stopped. What the
// figures are is the benchmark's own.
package keep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Load reads a file into what to points to. A file that is not there leaves that alone.
func Load(path string, to any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		return fmt.Errorf("read what was measured: %s: %w", path, err)
	}
	return nil
}

// Report is Load for what only wants to tell of the figures: without a file it fails.
func Report(path string, to any) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("nothing to report: %w", err)
	}
	return Load(path, to)
}

// Save replaces a file; its folder is made where there is none. After an error the former file is still there.
func Save(path string, what any) error {
	b, err := json.MarshalIndent(what, "", "\t")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path+".new", append(b, '\n'), 0o644)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("keep what was measured: %w", err)
	}
	return nil
}
