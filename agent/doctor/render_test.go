package doctor

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var rendered = []Finding{
	{Check: CheckKeyFile, Severity: OK, Node: "cache1", Subject: "/etc/memvip/gossip.key", What: "/etc/memvip/gossip.key holds a key, mode 0600"},
	{
		Check: CheckMemoryFile, Severity: Warning, Node: "cache1", Subject: "127.0.0.1:11211", What: "memcached 127.0.0.1:11211 keeps its items in a file over a restart (-e)",
		Why: "a restart is no proof that it is empty", Mend: "run memcached without -e",
	},
	{Check: CheckReach, Severity: Unknown, Node: "cache1", Subject: "cache2", What: "the way to cache2 could not be looked at: stopped", Why: "what was not seen may be broken", Mend: "run it again"},
	{
		Check: CheckFlush, Severity: Failure, Node: "cache1", Subject: "127.0.0.1:11211", What: "memcached 127.0.0.1:11211 refuses flush_all (-F)",
		Why: "nothing but a restart proves it clean, and this node takes no address", Mend: "run memcached without -F, which is a command that is far longer than any line is wide and is to be copied as it is",
	},
}

const renderedText = `! memcached 127.0.0.1:11211 refuses flush_all (-F)
  why: nothing but a restart proves it clean, and this node
       takes no address
  mend: run memcached without -F, which is a command that is far longer than any line is wide and is to be copied as it is
? the way to cache2 could not be looked at: stopped
  why: what was not seen may be broken
  mend: run it again
* memcached 127.0.0.1:11211 keeps its items in a file over a
  restart (-e)
  why: a restart is no proof that it is empty
  mend: run memcached without -e

1 failure, 1 warning, 1 could not be looked at; 1 of 4
  checks fine
`

// The worst comes first, and what is fine only if asked for.
func TestRender(t *testing.T) {
	var out strings.Builder
	if err := Render(&out, rendered, 60, false, false); err != nil || out.String() != renderedText {
		t.Errorf("got %v and\n%s\nwant\n%s", err, out.String(), renderedText)
	}
	out.Reset()
	if err := Render(&out, rendered, 60, false, true); err != nil || !strings.Contains(out.String(), "\n- /etc/memvip/gossip.key holds a key, mode 0600\n") {
		t.Errorf("verbose: got %v and\n%s", err, out.String())
	}
	out.Reset()
	if err := Render(&out, rendered[:1], 80, false, false); err != nil || out.String() != "all is fine: 1 check\n" {
		t.Errorf("got %v and %q", err, out.String())
	}
	out.Reset()
	if err := Render(&out, rendered, 80, true, false); err != nil || !strings.Contains(out.String(), "\x1b[1;31m! memcached") {
		t.Errorf("in colour: got %v and %q", err, out.String())
	}
}

// With several nodes each finding says whose it is; what others told does not act on the terminal.
func TestRenderOfOthers(t *testing.T) {
	var out strings.Builder
	hostile := Finding{Check: CheckNode, Severity: Failure, Node: "b", Subject: "b", What: "a\x1b[2Jb", Why: "c\nd", Mend: "e\x1bf\ng"}
	if err := Render(&out, []Finding{hostile, rendered[0]}, 80, false, false); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.ContainsRune(got, '\x1b') || !strings.HasPrefix(got, "! b: a?[2Jb\n") || !strings.Contains(got, "  mend: e?f g\n") && !strings.Contains(got, "  mend: e?f?g\n") {
		t.Errorf("got %q", got)
	}
}

type deafWriter struct{}

func (deafWriter) Write([]byte) (int, error) { return 0, errors.New("deaf") }

func TestRenderFails(t *testing.T) {
	if err := Render(deafWriter{}, rendered, 80, false, false); err == nil {
		t.Error("the writer's error is lost")
	}
}

// The exit codes are those of monitoring plug-ins; a failure outweighs what was not seen, and that a warning.
func TestWorst(t *testing.T) {
	for _, c := range []struct {
		findings []Finding
		want     Severity
		code     int
	}{
		{nil, OK, 0},
		{rendered[:1], OK, 0},
		{rendered[:2], Warning, 1},
		{rendered[:3], Unknown, 3},
		{rendered, Failure, 2},
		{[]Finding{{Severity: "dreadful"}}, "dreadful", 3},
	} {
		if got := Worst(c.findings); got != c.want || got.ExitCode() != c.code {
			t.Errorf("%d findings: got %s, code %d; want %s, %d", len(c.findings), got, got.ExitCode(), c.want, c.code)
		}
	}
}

// The names of fields are a promise.
func TestSchema(t *testing.T) {
	got, err := json.Marshal(rendered[1])
	want := `{"check":"memcached_memory_file","severity":"warning","node":"cache1","subject":"127.0.0.1:11211",` +
		`"what":"memcached 127.0.0.1:11211 keeps its items in a file over a restart (-e)","why":"a restart is no proof that it is empty","mend":"run memcached without -e"}`
	if err != nil || string(got) != want {
		t.Errorf("got %v and\n%s\nwant\n%s", err, got, want)
	}
}
