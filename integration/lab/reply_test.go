package lab

import (
	"errors"
	"testing"
)

var replyTests = []struct {
	name    string
	command command
	in      string
	want    reply
	rest    string
	err     string // "" for none
}{
	{name: "stored", command: commandSet, in: "STORED\r\nEND\r\n", rest: "END\r\n"},
	{name: "set refused", command: commandSet, in: "SERVER_ERROR out of memory storing object\r\n", err: `want "STORED", got "SERVER_ERROR out of memory storing object"`},
	{name: "full", command: commandStats, in: "ERROR Too many open connections\r\n", err: `want "STAT or END", got "ERROR Too many open connections"`},
	{name: "deleted", command: commandDelete, in: "DELETED\r\n"},
	{name: "nothing to delete", command: commandDelete, in: "NOT_FOUND\r\n"},
	{name: "miss", command: commandGet, in: "END\r\n"},
	{name: "hit", command: commandGet, in: "VALUE k-1 0 16\r\n0000000000000042\r\nEND\r\n", want: reply{found: true, value: 42}},
	{name: "hit, cut in the value", command: commandGet, in: "VALUE k-1 0 16\r\n00000000000", err: errPartial.Error()},
	{name: "hit, cut before the end", command: commandGet, in: "VALUE k-1 0 16\r\n0000000000000042\r\nEN", err: errPartial.Error()},
	{name: "foreign value", command: commandGet, in: "VALUE k-1 0 5\r\nhello\r\nEND\r\n", err: `want "a version", got "hello"`},
	{name: "stats", command: commandStats, in: "STAT pid 4711\r\nSTAT uptime 3\r\nEND\r\nSTORED\r\n", want: reply{value: 4711}, rest: "STORED\r\n"},
	{name: "stats, cut", command: commandStats, in: "STAT pid 4711\r\nSTAT uptime 3\r\n", err: errPartial.Error()},
	{name: "stats without pid", command: commandStats, in: "STAT uptime 3\r\nEND\r\n", err: "stats without a pid"},
}

func TestParseReply(t *testing.T) {
	for _, tt := range replyTests {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := parseReply(tt.command, []byte(tt.in))
			if text := errText(err); text != tt.err {
				t.Fatalf("error %q, want %q", text, tt.err)
			}
			if err != nil {
				return
			}
			if got != tt.want || tt.in[n:] != tt.rest {
				t.Errorf("got %+v and rest %q, want %+v and %q", got, tt.in[n:], tt.want, tt.rest)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAppendCommands(t *testing.T) {
	if got, want := string(appendSet(nil, "k-1", 42)), "set k-1 0 0 16\r\n0000000000000042\r\n"; got != want {
		t.Errorf("set: got %q, want %q", got, want)
	}
	if got, want := string(appendGet(nil, "k-1")), "get k-1\r\n"; got != want {
		t.Errorf("get: got %q, want %q", got, want)
	}
	if got, want := string(appendDelete(nil, "k-1")), "delete k-1\r\n"; got != want {
		t.Errorf("delete: got %q, want %q", got, want)
	}
}

// An answer is read the same however it is cut up on its way, and never beyond its end.
func FuzzParseReply(f *testing.F) {
	for _, tt := range replyTests {
		f.Add(uint8(tt.command), []byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, c uint8, in []byte) {
		cmd := command(c % 4)
		got, n, err := parseReply(cmd, in)
		if n < 0 || n > len(in) {
			t.Fatalf("took %d of %d bytes", n, len(in))
		}
		if err != nil {
			return
		}
		again, m, err := parseReply(cmd, in[:n])
		if err != nil || m != n || again != got {
			t.Fatalf("without the bytes behind it: %+v, %d, %v, want %+v, %d", again, m, err, got, n)
		}
		if _, _, err := parseReply(cmd, in[:n-1]); !errors.Is(err, errPartial) {
			t.Fatalf("without its last byte: %v, want %v", err, errPartial)
		}
	})
}
