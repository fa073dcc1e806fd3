package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// keyOf is a key that is told from others by its first letter.
func keyOf(letter string) string { return letter + strings.Repeat("A", 42) + "=" }

func parsed(t testing.TB, text string) KeyFile {
	t.Helper()
	f, e := parseKeyFile("gossip.key", text)
	if e != nil {
		t.Fatal(e)
	}
	return f
}

// texts are the keys of a file in their order, by their letters.
func texts(f KeyFile) string {
	var list []string
	for _, k := range f.Keys() {
		list = append(list, k.Text()[:1])
	}
	return strings.Join(list, "")
}

func TestParseKeyFile(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"one", keyOf("B"), "B"},
		{"one with an end", keyOf("B") + "\n", "B"},
		{"of another system", keyOf("B") + "\r\n" + keyOf("C") + "\r\n", "BC"},
		{"with comments", "# gossip\n\n" + keyOf("B") + " # since May\n\t# the old one:\n  " + keyOf("C") + "\n\n", "BC"},
		{"as many as have room", strings.Join(slices.Collect(func(yield func(string) bool) {
			for _, l := range "BCDEFGHI" {
				yield(keyOf(string(l)))
			}
		}), "\n"), "BCDEFGHI"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			if got := texts(parsed(t, c.text)); got != c.want {
				t.Errorf("keys %s, want %s", got, c.want)
			}
		})
	}
}

func TestBadKeyFiles(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "is empty"},
		{"blank", "\n \n", "is empty"},
		{"comments alone", "# " + keyOf("B") + "\n", "has no key, only comments"},
		{"two on a line", keyOf("B") + " " + keyOf("C"), "is not base64"},
		{"second is short", keyOf("B") + "\nQQ==\n", ": line 2 holds 1 byte"},
		{"second is text", keyOf("B") + "\n\nsecret\n", ": line 3 is not base64"},
		{"twice", keyOf("B") + "\n" + keyOf("C") + "\n" + keyOf("B") + "\n", ": line 3 holds a key that stands there already"},
		{"too many", strings.Join(slices.Collect(func(yield func(string) bool) {
			for _, l := range "BCDEFGHIJ" {
				yield(keyOf(string(l)))
			}
		}), "\n"), ": line 9 is one key too many: at most 8 have room"},
		{"not strict", "B" + strings.Repeat("A", 41) + "B=", "is not base64"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			f, e := parseKeyFile("gossip.key", c.text)
			if e == nil || len(f.Keys()) > 0 {
				t.Fatalf("got %v, %v", f.Keys(), e)
			}
			if got := strings.TrimPrefix(strings.TrimPrefix(e.Found, "gossip.key"), " "); got != c.want {
				t.Errorf("says %q, want %q", got, c.want)
			}
			if strings.Contains(e.Error(), "AAAA") || strings.Contains(e.Error(), "secret") {
				t.Errorf("the file's text is shown: %v", e)
			}
		})
	}
}

// Each stage changes the line that it is about and no other, and may be repeated.
func TestKeyFileStages(t *testing.T) {
	const comment = "# the cluster's\n"
	b, c := parsed(t, keyOf("B")).Keys()[0], parsed(t, keyOf("C")).Keys()[0]
	f := parsed(t, comment+keyOf("B")+" # first\n# last\n")
	must := func(f KeyFile, err error) KeyFile {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for range 2 {
		f = must(f.With(c))
	}
	if want := comment + keyOf("B") + " # first\n# last\n" + keyOf("C") + "\n"; f.Text() != want {
		t.Errorf("with a further key:\n%s\nwant\n%s", f.Text(), want)
	}
	if _, err := f.Without(b.Fingerprint()); err == nil || !strings.Contains(err.Error(), "is the key that seals") {
		t.Errorf("the key in use is removed: %v", err)
	}
	for range 2 {
		f = must(f.Using(c.Fingerprint()))
	}
	if want := comment + keyOf("C") + "\n" + keyOf("B") + " # first\n# last\n"; f.Text() != want {
		t.Errorf("with the further key in use:\n%s\nwant\n%s", f.Text(), want)
	}
	for range 2 {
		f = must(f.Without(b.Fingerprint()))
	}
	if want := comment + keyOf("C") + "\n# last\n"; f.Text() != want {
		t.Errorf("without the old key:\n%s\nwant\n%s", f.Text(), want)
	}
	if _, err := f.Without(c.Fingerprint()); err == nil {
		t.Error("the last key is removed")
	}
	if _, err := f.Using(b.Fingerprint()); err == nil || !strings.Contains(err.Error(), "no key "+b.Fingerprint()) {
		t.Errorf("a key that is not there is used: %v", err)
	}
}

func TestNoRoomForAKey(t *testing.T) {
	f := parsed(t, keyOf("B"))
	var err error
	for i := 0; err == nil; i++ {
		if i == keysMax {
			t.Fatal("there is no end")
		}
		f, err = f.With(NewKey())
	}
	if len(f.Keys()) != keysMax {
		t.Errorf("%d keys have room: %v", len(f.Keys()), err)
	}
}

// Nothing but Text shows a key.
func TestKeysDoNotShow(t *testing.T) {
	k := NewKey()
	cluster := Cluster{Keys: []Key{k}}
	encoded, err := json.Marshal(cluster)
	if err != nil {
		t.Fatal(err)
	}
	shown := string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		shown += fmt.Sprintf(verb+" "+verb+"\n", k, cluster)
	}
	if want := 2*7 + 1; strings.Count(shown, k.Fingerprint()) != want {
		t.Errorf("the fingerprint is there %d times, want %d:\n%s", strings.Count(shown, k.Fingerprint()), want, shown)
	}
	for _, secret := range []string{k.Text()[:8], fmt.Sprintf("%x", k[:4]), fmt.Sprint(k[0], k[1]), fmt.Sprintf("%d, %d", k[0], k[1])} {
		if strings.Contains(shown, secret) {
			t.Errorf("a part of the key is there:\n%s", shown)
		}
	}
}

// A file is replaced whole, mode and owner kept, also through a link to it.
func TestWriteKeyFile(t *testing.T) {
	inFolder(t)
	mustDo(t, os.Mkdir("real", 0o755))
	path := filepath.Join("real", "gossip.key")
	writeFile(t, path, keyOf("B"), 0o640)
	mustDo(t, os.Symlink(path, "gossip.key"))
	writeFile(t, filepath.Join("real", ".gossip.key.new"), "left by a dead writer", 0o600)
	const group = 4711
	if os.Geteuid() == 0 {
		mustDo(t, os.Chown(path, 0, group))
	}
	open, err := os.Open(path)
	mustDo(t, err)
	defer open.Close()
	f, err := parsed(t, keyOf("B")).With(NewKey())
	mustDo(t, err)
	mustDo(t, WriteKeyFile("gossip.key", f))
	after, err := ReadKeyFile("gossip.key")
	mustDo(t, err)
	if after.Text() != f.Text() {
		t.Errorf("the file has %v, want %v", after.Keys(), f.Keys())
	}
	info, err := os.Lstat(path)
	mustDo(t, err)
	if info.Mode() != 0o640 {
		t.Errorf("mode %v, was 0640", info.Mode())
	}
	if got := info.Sys().(*syscall.Stat_t).Gid; os.Geteuid() == 0 && got != group {
		t.Errorf("group %d, was %d", got, group)
	}
	if link, err := os.Lstat("gossip.key"); err != nil || link.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link became %v, %v", link, err)
	}
	old := make([]byte, 100)
	if n, err := open.Read(old); err != nil || string(old[:n]) != keyOf("B") {
		t.Errorf("who had the old file open finds %q, %v: it was not replaced but rewritten", old[:n], err)
	}
	if left, err := os.ReadDir("real"); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

// A key file that root left to a group of its own: who may not give it that group writes it all the same if the group has
// no rights, and else leaves it.
func TestWriteKeyFileOfAnotherGroup(t *testing.T) {
	modes := []os.FileMode{0o600, 0o640}
	name := func(mode os.FileMode) string { return fmt.Sprintf("%04o.key", mode) }
	if withFewRights(t) {
		for _, mode := range modes {
			err := WriteKeyFile(name(mode), parsed(t, keyOf("C")))
			if refused := errors.Is(err, fs.ErrPermission); refused != (mode == 0o640) || !refused && err != nil {
				t.Errorf("mode %04o: %v", mode, err)
			}
		}
		return
	}
	inFolder(t)
	root := os.Geteuid() == 0
	for _, mode := range modes {
		writeFile(t, name(mode), keyOf("B"), mode)
		if root {
			mustDo(t, os.Chown(name(mode), nobody, 0))
		} else { // every group that it has it may give
			mustDo(t, WriteKeyFile(name(mode), parsed(t, keyOf("C"))))
		}
	}
	want := map[os.FileMode]string{0o600: "C", 0o640: "C"}
	if root {
		mustDo(t, os.Chown(".", nobody, nobody))
		runWithFewRights(t)
		want[0o640] = "B"
	}
	for _, mode := range modes {
		f, err := ReadKeyFile(name(mode))
		mustDo(t, err)
		info, err := os.Stat(name(mode))
		mustDo(t, err)
		if texts(f) != want[mode] || info.Mode().Perm() != mode {
			t.Errorf("mode %04o: has %s, want %s; mode %v", mode, texts(f), want[mode], info.Mode())
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; root && uid != nobody {
			t.Errorf("mode %04o: belongs to %d", mode, uid)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != len(modes) {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

// What cannot be written leaves the old file, and nothing beside it.
func TestWriteKeyFileFails(t *testing.T) {
	inFolder(t)
	if err := WriteKeyFile("gossip.key", parsed(t, keyOf("B"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without an old file: %v", err)
	}
	mustDo(t, os.Mkdir("full", 0o755))
	path := filepath.Join("full", "gossip.key")
	writeFile(t, path, keyOf("B"), 0o600)
	mustDo(t, os.MkdirAll(filepath.Join("full", ".gossip.key.new", "in the way"), 0o755))
	if err := WriteKeyFile(path, parsed(t, keyOf("C"))); err == nil {
		t.Error("written past what is in the way")
	}
	if f, err := ReadKeyFile(path); err != nil || texts(f) != "B" {
		t.Errorf("the old file has %v, %v", f.Keys(), err)
	}
}

func TestWriteNewKeyFile(t *testing.T) {
	inFolder(t)
	writeFile(t, "next", "anything", 0o644)
	mustDo(t, WriteNewKeyFile("next", parsed(t, keyOf("B"))))
	f, err := ReadKeyFile("next")
	mustDo(t, err)
	info, err := os.Stat("next")
	mustDo(t, err)
	if texts(f) != "B" || info.Mode().Perm() != 0o600 {
		t.Errorf("has %v, mode %v", f.Keys(), info.Mode())
	}
}

// FuzzKeyFile: any text is a key file that keeps its word through every stage, or an error that does not cite it.
func FuzzKeyFile(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "#", keyOf("B"), keyOf("B") + "\n" + keyOf("C") + "\r\n# end", keyOf("B") + "#\n\n \t" + keyOf("C") + "\n" + keyOf("D"),
		keyOf("B") + "\n" + keyOf("B"), "QQ==", keyOf("B") + "\x00", "\ufeff" + keyOf("B"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, e := parseKeyFile("gossip.key", text)
		if e != nil {
			if e.Found == "" || strings.ContainsAny(e.Error(), "\n\r") {
				t.Fatalf("%q", e)
			}
			return
		}
		keys := file.Keys()
		if again, e := parseKeyFile("gossip.key", file.Text()); e != nil || !slices.Equal(again.Keys(), keys) {
			t.Fatalf("read again: %v, %v, was %v", again.Keys(), e, keys)
		}
		last := keys[len(keys)-1]
		used, err := file.Using(last.Fingerprint())
		if err != nil || used.Keys()[0] != last || len(used.Keys()) != len(keys) {
			t.Fatalf("using %v of %v: %v, %v", last, keys, used.Keys(), err)
		}
		for _, k := range used.Keys()[1:] {
			if used, err = used.Without(k.Fingerprint()); err != nil || slices.Contains(used.Keys(), k) {
				t.Fatalf("without %v: %v, %v", k, used.Keys(), err)
			}
		}
		if left := used.Keys(); len(left) != 1 || left[0] != last {
			t.Fatalf("left are %v, want %v", left, last)
		}
	})
}
