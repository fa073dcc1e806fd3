package configs

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A Key is one gossip key. Whatever prints or encodes it gets its fingerprint, so that no log, error or answer can show
// a key by accident; Text is the one way to the key itself.
type Key [keyBytes]byte

// fingerprintBytes tell the few keys of a cluster apart; a key file with two alike is refused.
const fingerprintBytes = 4

// Fingerprint names a key to people: 8 hexadecimal digits, of which nobody learns anything about the key.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(append([]byte("memvip gossip key\x00"), k[:]...))
	return hex.EncodeToString(sum[:fingerprintBytes])
}

// Format is fmt.Formatter's: the fingerprint, whatever the verb.
func (k Key) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(k.Fingerprint())) }

// MarshalText is the fingerprint too.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.Fingerprint()), nil }

// Text is the key as a key file holds it: base64, without line end.
func (k Key) Text() string { return base64.StdEncoding.EncodeToString(k[:]) }

// NewKey makes a key of random bytes.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k[:]) // never fails: it ends the program rather than return an error
	return k
}

// ParseKey reads a key as Text writes it; blanks around it do no harm. The error does not show the text, which may be
// a key with a slip in it.
func ParseKey(text string) (Key, error) {
	var k Key
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	switch {
	case err != nil:
		return Key{}, errors.New("is not base64")
	case len(raw) != keyBytes:
		return Key{}, fmt.Errorf("holds %s", count(len(raw), "byte"))
	}
	copy(k[:], raw)
	return k, nil
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
