package page

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

const whole = "# Title\n<!-- size -->\nold\n<!-- end of size -->\nwords\n<!-- lease -->\n<!-- end of lease -->\n"

func TestReplaceLeavesTheRestAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte(whole), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "\nsecond\n"} { // again and again
		if err := Replace(path, "size", text); err != nil {
			t.Fatal(err)
		}
	}
	want := "# Title\n<!-- size -->\n\nsecond\n\n<!-- end of size -->\nwords\n<!-- lease -->\n<!-- end of lease -->\n"
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestReplaceRefusesAPageWithoutTheSection(t *testing.T) {
	for _, broken := range []string{
		"", "<!-- size -->\n", "<!-- end of size -->\n<!-- size -->\n", "<!-- other -->\n<!-- end of other -->\n",
		whole + whole,
	} {
		path := filepath.Join(t.TempDir(), "page.md")
		if err := os.WriteFile(path, []byte(broken), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Replace(path, "size", "new"); !errors.Is(err, ErrNoSection) {
			t.Errorf("%q: error %v, want %v", broken, err, ErrNoSection)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != broken {
			t.Errorf("%q became %q, %v", broken, got, err)
		}
	}
}
