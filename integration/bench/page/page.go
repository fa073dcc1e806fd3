// Package page keeps BENCHMARKS.md, which several commands write: each replaces the section that it measured, and
// leaves the words of people and the sections of others alone.
package page

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrNoSection is wrapped by the error of a page that has no such section, or has it twice or unclosed.
var ErrNoSection = errors.New("want exactly one section between its two marks")

// Replace puts text in place of what the section says, in the page's file. The file is not touched when there is an
// error. The marks of a section are "<!-- NAME -->" and "<!-- end of NAME -->", each a line of its own.
func Replace(path, name, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	renewed, err := replace(string(old), name, text)
	if err != nil {
		return fmt.Errorf("page: %s: section %q: %w", path, name, err)
	}
	beside := path + ".new"
	if err := os.WriteFile(beside, []byte(renewed), 0o644); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if err := os.Rename(beside, path); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

func replace(old, name, text string) (string, error) {
	begin, end := fmt.Sprintf("<!-- %s -->\n", name), fmt.Sprintf("<!-- end of %s -->\n", name)
	before, rest, found := strings.Cut(old, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed || strings.Contains(rest, begin) || strings.Contains(after, end) {
		return "", ErrNoSection
	}
	return before + begin + "\n" + strings.TrimSpace(text) + "\n\n" + end + after, nil
}
