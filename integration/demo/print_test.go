package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"  blanks \n go ", 20, []string{"blanks go"}},
		{"a/word/longer/than/a/line stays whole", 6, []string{"a/word/longer/than/a/line", "stays", "whole"}},
		{"größe größe", 11, []string{"größe größe"}},
	} {
		if diff := cmp.Diff(c.want, wrap(c.text, c.limit)); diff != "" {
			t.Errorf("%q: -want +got:\n%s", c.text, diff)
		}
	}
}

// everything prints whatever the demo has to print in its own words.
func everything(p *printer) {
	p.heading(3, "memcached on cache1 is started again")
	p.say("A home gets its VIP back after %d s: it has to be well that long, and twice as long for each further loss.", 5)
	p.news(2300*ms, "agentctl on cache1: cache2 is up, but its memcached is not proved clean yet: waiting for 2 s without traffic")
	p.news(100*time.Second, "late")
	p.session("cache1", "agentctl status", []byte("not served\n\n"), 2)
	p.result("10.77.0.101 is served by cache1.")
	p.session("cache1", "agentctl status", []byte("lab, seen from cache1\n\nall well\n"), 0)
	p.finale([]row{{step: "a", what: "b"}}, 0, nil)
	p.finale(nil, 2*time.Second, []string{"never stale: 2 stale in step \"memcached back\" and a lot more to say about that here"})
}

func TestPrinterKeepsToTheWidth(t *testing.T) {
	var b bytes.Buffer
	everything(&printer{out: &b})
	last := "begin"
	for l := range strings.Lines(b.String()) {
		l = strings.TrimSuffix(l, "\n")
		if n := utf8.RuneCountInString(l); n > width {
			t.Errorf("%d columns: %q", n, l)
		}
		if l == "" && last == "" {
			t.Error("two blank lines")
		}
		last = l
		if strings.HasSuffix(l, " ") {
			t.Errorf("blanks at the end: %q", l)
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colour without a terminal")
	}
}

// Colour adds nothing but colour.
func TestColour(t *testing.T) {
	var plain, coloured bytes.Buffer
	everything(&printer{out: &plain})
	everything(&printer{out: &coloured, color: true})
	got := coloured.String()
	for _, style := range []string{bold, faint, green, red} {
		if !strings.Contains(got, "\x1b["+style+"m") {
			t.Errorf("style %s is not used", style)
		}
		got = strings.ReplaceAll(got, "\x1b["+style+"m", "")
	}
	if diff := cmp.Diff(plain.String(), strings.ReplaceAll(got, "\x1b[0m", "")); diff != "" {
		t.Errorf("-plain +coloured:\n%s", diff)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestPrinterRemembersItsFirstError(t *testing.T) {
	want := errors.New("no space left")
	p := &printer{out: broken{want}}
	p.say("x")
	p.out = broken{errors.New("later")}
	p.say("y")
	if !errors.Is(p.err, want) {
		t.Errorf("got %v", p.err)
	}
}
