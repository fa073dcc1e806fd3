package configs

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// inFolder makes an empty folder the current one, so that messages name files without a path.
func inFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
}

func TestLoad(t *testing.T) {
	inFolder(t)
	writeFile(t, "agent.toml", good, 0o644)
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640} {
		writeKey(t, ".")
		if err := os.Chmod("gossip.key", mode); err != nil {
			t.Fatal(err)
		}
		c, err := Load("agent.toml")
		if err != nil {
			t.Fatalf("key of mode %04o: %v", mode, err)
		}
		text, err := os.ReadFile("gossip.key")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Cluster.Keys[0].Text(); got != strings.TrimSpace(string(text)) {
			t.Errorf("key is %s, the file has %s", got, text)
		}
	}
}

// Who may not read the key learns what the text says, its mistakes, and that the key was not looked at. A key that is bad
// is a mistake for all.
func TestLoadUnkeyed(t *testing.T) {
	if withFewRights(t) {
		wantDenied(t)
		return
	}
	inFolder(t)
	writeFile(t, "agent.toml", good, 0o644)
	writeFile(t, "bad.toml", strings.Replace(good, `name`, `nme`, 1), 0o644)
	writeKey(t, ".")
	c, denied, err := LoadUnkeyed("agent.toml")
	if err != nil || denied != nil || len(c.Cluster.Keys) != 1 {
		t.Fatalf("with the key: denied %v, error %v", denied, err)
	}
	mustDo(t, os.Chmod("gossip.key", 0o644))
	if _, denied, err := LoadUnkeyed("agent.toml"); denied != nil || err == nil {
		t.Errorf("a key that all may read: denied %v, error %v", denied, err)
	}
	mustDo(t, os.Chmod("gossip.key", 0))
	if os.Geteuid() != 0 {
		wantDenied(t)
		return
	}
	mustDo(t, os.Chmod(".", 0o755))
	runWithFewRights(t)
}

func wantDenied(t *testing.T) {
	t.Helper()
	c, denied, err := LoadUnkeyed("agent.toml")
	if err != nil || denied == nil || denied.Line != 3 || c.Cluster.Keys != nil || c.Cluster.KeyFile != "gossip.key" {
		t.Errorf("without the key: denied %v, error %v", denied, err)
	}
	if _, denied, err := LoadUnkeyed("bad.toml"); err == nil || denied == nil || strings.Contains(err.Error(), "gossip.key") {
		t.Errorf("a mistake beside it: denied %v, error %v", denied, err)
	}
	if _, err := Load("agent.toml"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("as an agent reads it: %v", err)
	}
}

func TestLoadFindsAnAbsoluteKeyFile(t *testing.T) {
	elsewhere := t.TempDir()
	writeKey(t, elsewhere)
	inFolder(t)
	writeFile(t, "agent.toml", strings.Replace(good, `"gossip.key"`, `"`+elsewhere+`/gossip.key"`, 1), 0o644)
	c, err := Load("agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	if want := elsewhere + "/gossip.key"; c.Cluster.KeyFile != want {
		t.Errorf("key file %s, want %s", c.Cluster.KeyFile, want)
	}
}

// Every way in which the files themselves can be wrong, with the whole text of what is said.
func TestLoadRefuses(t *testing.T) {
	key := strings.Repeat("A", 43) + "="
	const (
		aKey     = "; expected the base64 of 32 random bytes, as agentctl keygen prints it"
		aCluster = "; expected the configuration of the cluster, the same file on every host"
		atKey    = "agent.toml:3: cluster.key_file: "
	)
	config := func(t *testing.T) { writeFile(t, "agent.toml", good, 0o644) }
	tests := []struct {
		name  string
		setUp func(t *testing.T)
		want  string
	}{
		{"no configuration", func(*testing.T) {},
			`agent.toml: no such file` + aCluster},
		{"configuration is a folder", func(t *testing.T) { mustDo(t, os.Mkdir("agent.toml", 0o755)) },
			`agent.toml: cannot be read: is a directory` + aCluster},
		{"configuration far too large", func(t *testing.T) { writeFile(t, "agent.toml", good+strings.Repeat("#\n", 128<<10), 0o644) },
			`agent.toml: more than 256 KiB` + aCluster},
		{"configuration is no TOML", func(t *testing.T) { writeFile(t, "agent.toml", "cluster", 0o644) },
			`agent.toml:1: not TOML: unexpected EOF; expected key separator '='; expected valid TOML`},
		{"no key", config,
			atKey + `gossip.key: no such file` + aKey},
		{"key is a folder", func(t *testing.T) { config(t); mustDo(t, os.Mkdir("gossip.key", 0o700)) },
			atKey + `gossip.key is no regular file; expected a file with the gossip key`},
		{"key is a named pipe", func(t *testing.T) { config(t); mustDo(t, syscall.Mkfifo("gossip.key", 0o600)) },
			atKey + `gossip.key is no regular file; expected a file with the gossip key`},
		{"key is empty", func(t *testing.T) { config(t); writeFile(t, "gossip.key", "", 0o600) },
			atKey + `gossip.key is empty` + aKey},
		{"key is short", func(t *testing.T) { config(t); writeFile(t, "gossip.key", "c2hvcnQ=\n", 0o600) },
			atKey + `gossip.key holds 5 bytes` + aKey},
		{"key is long", func(t *testing.T) { config(t); writeFile(t, "gossip.key", strings.Repeat("AAAA", 11), 0o600) },
			atKey + `gossip.key holds 33 bytes` + aKey},
		{"key is not base64", func(t *testing.T) { config(t); writeFile(t, "gossip.key", "correct horse battery staple", 0o600) },
			atKey + `gossip.key is not base64` + aKey},
		{"two keys", func(t *testing.T) { config(t); writeFile(t, "gossip.key", key+"\n"+key+"\n", 0o600) },
			atKey + `gossip.key: line 2 holds a key that stands there already` + aKey},
		{"key readable by others", func(t *testing.T) { config(t); writeFile(t, "gossip.key", key, 0o644) },
			atKey + `gossip.key has mode 0644 and can be read or changed by everybody; expected at most 0640: chmod g-w,o= gossip.key`},
		{"key writable by its group", func(t *testing.T) { config(t); writeFile(t, "gossip.key", key, 0o660) },
			atKey + `gossip.key has mode 0660 and can be changed by its group; expected at most 0640: chmod g-w,o= gossip.key`},
		{"key with an odd name", func(t *testing.T) {
			writeFile(t, "agent.toml", strings.Replace(good, "gossip.key", "it's mine.key", 1), 0o644)
			writeFile(t, "it's mine.key", key, 0o666)
		},
			atKey + `it's mine.key has mode 0666 and can be read or changed by everybody; expected at most 0640: chmod g-w,o= 'it'\''s mine.key'`},
		{"key and text at once", func(t *testing.T) {
			writeFile(t, "agent.toml", strings.Replace(good, `"600ms"`, `"6ms"`, 1), 0o644)
		},
			atKey + `gossip.key: no such file` + aKey + "\n" +
				`agent.toml:5: cluster.lease: 6ms is below the floor; expected 200ms to 5s`},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			inFolder(t)
			test.setUp(t)
			c, err := Load("agent.toml")
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			if got := err.Error(); got != test.want {
				t.Errorf("text\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Callers can tell a missing file from a wrong one, and take an error apart.
func TestErrorsCanBeTakenApart(t *testing.T) {
	inFolder(t)
	_, err := Load("agent.toml")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	writeFile(t, "agent.toml", good, 0o644)
	_, err = Load("agent.toml")
	e, ok := errors.AsType[*Error](err)
	if !ok || e.File != "agent.toml" || e.Line != 3 || e.Key != "cluster.key_file" {
		t.Errorf("%v is %+v", err, e)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// Nesting is refused before the decoder, which would take memory by its square, sees it.
func TestNestingIsRefused(t *testing.T) {
	const depth = 30_000
	for name, text := range map[string]string{
		"arrays":     strings.Repeat("[", depth) + strings.Repeat("]", depth),
		"tables":     strings.Repeat("{a=", depth) + "1" + strings.Repeat("}", depth),
		"both":       strings.Repeat("[{a=", depth) + "1" + strings.Repeat("}]", depth),
		"not closed": strings.Repeat("{a=", depth),
		"inner key":  "{" + strings.Repeat("a.", depth) + "a = 1}",
	} {
		wantTooDeep(t, name, "# one line\nx = "+text)
	}
	wantTooDeep(t, "key", "\n"+strings.Repeat("a.", depth)+"a = 1")
	wantTooDeep(t, "header", "\n["+strings.Repeat("a.", depth)+"a]")
	wantTooDeep(t, "header of an array", "\n[["+strings.Repeat("a.", depth)+"a]]")
}

func wantTooDeep(t *testing.T, name, text string) {
	t.Helper()
	const want = "agent.toml:2: more than 16 levels of nesting; expected tables and keys as in the example agent.toml"
	if _, err := Parse("agent.toml", text); err == nil || err.Error() != want {
		t.Errorf("%s:\n got %v\nwant %s", name, err, want)
	}
}

func TestNewKey(t *testing.T) {
	one := NewKey()
	if again, err := ParseKey(one.Text()); err != nil || again != one || len(one.Text()) != 44 {
		t.Errorf("%q is read as %v, %v", one.Text(), again, err)
	}
	if NewKey() == one {
		t.Error("the second key is the first")
	}
}
