package configs

import (
	"errors"
	"strings"
	"testing"

	"memvip/configs/mistakes"
)

// good is a configuration without a mistake that has every key.
const good = mistakes.Good

func TestGoodIsGood(t *testing.T) {
	c, err := Parse("agent.toml", good)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
}

// Each mistake is told in full and nothing else is: file, line, key, what was found, what was expected.
func TestBadConfigs(t *testing.T) {
	for _, b := range mistakes.All {
		t.Run(strings.ReplaceAll(b.Name, " ", "_"), func(t *testing.T) {
			c, err := Parse("agent.toml", b.Text())
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			if c != nil {
				t.Errorf("a configuration came with the error")
			}
			if got := err.Error(); got != b.Says {
				t.Errorf("text\n got %s\nwant %s", got, b.Says)
			}
			checkErrorForm(t, err)
		})
	}
}

// checkErrorForm sees that an error is made of *Error, each complete.
func checkErrorForm(t testing.TB, err error) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is no joined error", err)
	}
	for _, part := range joined.Unwrap() {
		e, ok := errors.AsType[*Error](part)
		if !ok {
			t.Fatalf("%T is no *Error", part)
		}
		if e.File == "" || e.Line < 1 || e.Found == "" || e.Expected == "" {
			t.Errorf("incomplete: %+v", *e)
		}
		if strings.ContainsAny(e.Error(), "\n\r\x1b") {
			t.Errorf("more than one plain line: %q", e.Error())
		}
	}
}
