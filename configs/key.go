package configs

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// keyModeRefused are the permissions that a key file must not give: any to others, writing to the group.
const keyModeRefused fs.FileMode = 0o027

// NewKey returns a new gossip key as a key file holds it: the base64 of 32 random bytes, without line end.
func NewKey() (string, error) {
	key := make([]byte, keyBytes)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("configs: new key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// loadKey returns the key in a key file, or reports at the given line of the configuration why there is none.
func loadKey(p *problems, line int, path string) []byte {
	key, e := readKey(path)
	if e != nil {
		e.Line, e.Key = line, "cluster.key_file"
		p.add(e)
		return nil
	}
	return key
}

// ReadKey returns the key in a key file, as Load does for the file that a configuration names. The error, an *Error
// without file and line, says what is wrong with the file: missing, open to the wrong people, or no key.
func ReadKey(path string) ([]byte, error) {
	key, e := readKey(path)
	if e != nil {
		return nil, e
	}
	return key, nil
}

func readKey(path string) ([]byte, *Error) {
	const expected = "the base64 of 32 random bytes, as agentctl keygen prints it"
	// Without O_NONBLOCK the opening of a named pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, &Error{Found: path + ": " + unread(err), Expected: expected, cause: err}
	}
	defer f.Close()
	if e := checkKeyFile(path, f); e != nil {
		return nil, e
	}
	text, err := io.ReadAll(io.LimitReader(f, keyFileBytesMax))
	if err != nil {
		return nil, &Error{Found: path + ": " + unread(err), Expected: expected, cause: err}
	}
	// The text itself is never shown: it may be a key with a slip in it.
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	switch {
	case len(text) == 0:
		return nil, &Error{Found: path + " is empty", Expected: expected}
	case err != nil:
		return nil, &Error{Found: path + " is not base64", Expected: expected}
	case len(key) != keyBytes:
		return nil, &Error{Found: fmt.Sprintf("%s holds %s", path, count(len(key), "byte")), Expected: expected}
	}
	return key, nil
}

// checkKeyFile refuses what is no plain file, and one that the wrong people can read or change.
func checkKeyFile(path string, f *os.File) *Error {
	info, err := f.Stat()
	if err != nil {
		return &Error{Found: path + ": " + unread(err), Expected: "a file", cause: err}
	}
	if !info.Mode().IsRegular() {
		return &Error{Found: path + " is no regular file", Expected: "a file with the gossip key"}
	}
	mode := info.Mode().Perm()
	if mode&keyModeRefused == 0 {
		return nil
	}
	fault := "can be read or changed by everybody"
	if mode&0o007 == 0 {
		fault = "can be changed by its group"
	}
	return &Error{
		Found:    fmt.Sprintf("%s has mode %04o and %s", path, mode, fault),
		Expected: "at most 0640: chmod g-w,o= " + shellWord(path),
	}
}

// shellWord quotes a path for a command that a reader may copy.
func shellWord(path string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+=:,@", r)
	}
	if path != "" && !strings.HasPrefix(path, "-") && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
