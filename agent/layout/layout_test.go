package layout

import (
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		name, text    string
		width, indent int
		want          []string
	}{
		{"nothing", "", 10, 2, []string{""}},
		{"one line", "aa bb", 10, 2, []string{"aa bb"}},
		{"to the last column", "aaaa bbbbb", 10, 2, []string{"aaaa bbbbb"}},
		{"indented", "aaaa bbbb cccc dd", 10, 2, []string{"aaaa bbbb", "  cccc dd"}},
		{"a long word stays whole", "a bbbbbbbbbbbb c", 5, 1, []string{"a", " bbbbbbbbbbbb", " c"}},
		{"runes count, not bytes", "ää öö üü", 5, 0, []string{"ää öö", "üü"}},
		{"what acts on a terminal", "a\x1b[31mb \x00", 80, 0, []string{"a?[31mb ?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Wrap(c.text, c.width, c.indent)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPainted(t *testing.T) {
	escapes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for s := Plain; s <= Faint; s++ {
		if got := Painted("word", s, false); got != "word" {
			t.Errorf("style %d without colour: %q", s, got)
		}
		got := Painted("word", s, true)
		if (got == "word") != (s == Plain) || escapes.ReplaceAllString(got, "") != "word" {
			t.Errorf("style %d: %q", s, got)
		}
		if got := Painted("", s, true); got != "" {
			t.Errorf("style %d of nothing: %q", s, got)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "<0.1 s"},
		{99 * time.Millisecond, "<0.1 s"},
		{3290 * time.Millisecond, "3.2 s"},
		{9999 * time.Millisecond, "9.9 s"},
		{10 * time.Second, "10 s"},
		{119 * time.Second, "119 s"},
		{2 * time.Minute, "2 min"},
		{2 * time.Hour, "2 h"},
		{49 * time.Hour, "2 d"},
	} {
		if got := Span(c.d); got != c.want {
			t.Errorf("Span(%s) = %q, want %q", c.d, got, c.want)
		}
	}
}
