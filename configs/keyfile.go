package configs

import (
	"fmt"
	"slices"
	"strings"
)

// keysMax bounds how many keys a file holds: two during a rotation, a few more if several people rotate at once. Each
// packet that no key opens is tried with all of them.
const keysMax = 8

// A KeyFile is what a key file says: keys, one a line, and whatever stands between and behind them. The first key seals
// what this node sends, and all of them open what comes in. What begins with # is a comment. A KeyFile is not changed:
// With, Using and Without return another, in which every line that they are not about stays as it was.
type KeyFile struct{ lines []keyLine }

type keyLine struct {
	text string // without its end
	has  bool   // a key
	key  Key
}

func (l keyLine) isKey() bool { return l.has }

const keyExpected = "the base64 of 32 random bytes, as agentctl keygen prints it"

// parseKeyFile reads the text of a key file; file is its name in the message. The error, without file and line, never
// shows what stands there.
func parseKeyFile(file, text string) (KeyFile, *Error) {
	var f KeyFile
	several := strings.Contains(strings.TrimSpace(text), "\n")
	for text := range strings.Lines(text) {
		line, err := f.read(strings.TrimRight(text, "\r\n"))
		if err != nil {
			where := file
			if several {
				where = fmt.Sprintf("%s: line %d", file, len(f.lines)+1)
			}
			return KeyFile{}, &Error{Found: where + " " + err.Error(), Expected: keyExpected}
		}
		f.lines = append(f.lines, line)
	}
	if len(f.Keys()) == 0 {
		found := " has no key, only comments"
		if strings.TrimSpace(text) == "" {
			found = " is empty"
		}
		return KeyFile{}, &Error{Found: file + found, Expected: keyExpected}
	}
	return f, nil
}

// read takes one more line apart.
func (f KeyFile) read(text string) (keyLine, error) {
	code, _, _ := strings.Cut(text, "#")
	if strings.TrimSpace(code) == "" {
		return keyLine{text: text}, nil
	}
	key, err := ParseKey(code)
	if err == nil {
		err = f.fits(key)
	}
	return keyLine{text, true, key}, err
}

// fits says what speaks against one more key.
func (f KeyFile) fits(key Key) error {
	switch keys := f.Keys(); {
	case len(keys) == keysMax:
		return fmt.Errorf("is one key too many: at most %d have room", keysMax)
	case slices.Contains(keys, key):
		return fmt.Errorf("holds a key that stands there already")
	case slices.ContainsFunc(keys, func(k Key) bool { return k.Fingerprint() == key.Fingerprint() }):
		return fmt.Errorf("holds a key with the fingerprint %s, which another has already: make a new one", key)
	}
	return nil
}

// KeyFileOf returns a file with these keys, which must be as a key file may have them, and nothing else.
func KeyFileOf(keys []Key) KeyFile {
	var f KeyFile
	for _, k := range keys {
		f.lines = append(f.lines, keyLine{k.Text(), true, k})
	}
	return f
}

// Keys lists them in their order. Invariant: the file was parsed, so there is at least one.
func (f KeyFile) Keys() []Key {
	var keys []Key
	for _, l := range f.lines {
		if l.isKey() {
			keys = append(keys, l.key)
		}
	}
	return keys
}

// Text is the whole file.
func (f KeyFile) Text() string {
	var b strings.Builder
	for _, l := range f.lines {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

// With returns the file with a further key, the last one: it opens, and does not seal. One that is there is there.
func (f KeyFile) With(key Key) (KeyFile, error) {
	if slices.Contains(f.Keys(), key) {
		return f, nil
	}
	if err := f.fits(key); err != nil {
		return f, fmt.Errorf("key file: the line %w", err)
	}
	return KeyFile{append(slices.Clone(f.lines), keyLine{key.Text(), true, key})}, nil
}

// Using returns the file with a key that it has as the first: the one that seals.
func (f KeyFile) Using(fingerprint string) (KeyFile, error) {
	i, err := f.line(fingerprint)
	if err != nil {
		return f, err
	}
	line := f.lines[i]
	lines := slices.Delete(slices.Clone(f.lines), i, i+1)
	first := slices.IndexFunc(lines, keyLine.isKey)
	if first < 0 || i <= first {
		return f, nil
	}
	return KeyFile{slices.Insert(lines, first, line)}, nil
}

// Without returns the file without a key, which must not be the first. One that is not there is not there.
func (f KeyFile) Without(fingerprint string) (KeyFile, error) {
	i, err := f.line(fingerprint)
	switch {
	case err != nil:
		return f, nil
	case f.Keys()[0].Fingerprint() == fingerprint:
		return f, fmt.Errorf("key file: %s is the key that seals: it cannot be removed before another does", fingerprint)
	}
	return KeyFile{slices.Delete(slices.Clone(f.lines), i, i+1)}, nil
}

func (f KeyFile) line(fingerprint string) (int, error) {
	i := slices.IndexFunc(f.lines, func(l keyLine) bool { return l.isKey() && l.key.Fingerprint() == fingerprint })
	if i < 0 {
		return i, fmt.Errorf("key file: there is no key %s in it, only %s", fingerprint, strings.Join(Fingerprints(f.Keys()), ", "))
	}
	return i, nil
}

// Fingerprints are those of keys, in their order.
func Fingerprints(keys []Key) []string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.Fingerprint()
	}
	return list
}
