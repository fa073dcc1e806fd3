package packaging

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReference(t *testing.T) {
	r, err := readReference(strings.Split(`# About the file.

[first]

# What one is,
#
# in two paragraphs.
one = "x"

# What two and three are.
#two = 2
three = ["-a"]
#four = 4

# One of these for each.
[[first.second]]
# What five is.
five = 5

[[first.second]]
five = 6
# What six is.
six = 7`, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := `.TH MEMVIP\-AGENT.TOML 5 "2026-11-21" "memvip 1.0" memvip
.SH NAME
memvip\-agent.toml \- configuration of memvip\-agent
.SH [first]
.TP
\fBone\fR (for example \fI"x"\fR)
What one is,
.IP
in two paragraphs.
.TP
\fBtwo\fR (default \fI2\fR)
.TQ
\fBthree\fR (for example \fI["\-a"]\fR)
.TQ
\fBfour\fR (default \fI4\fR)
What two and three are.
.SH [[first.second]]
One of these for each.
.TP
\fBfive\fR (for example \fI5\fR)
What five is.
.TP
\fBsix\fR (for example \fI7\fR)
What six is.
`
	got := r.page(Source{Version: "1.0", Time: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)}, "")
	got = regexp.MustCompile(`(?s)\.SH SYNOPSIS.*?(\.SH \[)`).ReplaceAllString(got, "$1")
	got, _, _ = strings.Cut(got, ".SH EXAMPLES")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestReferenceRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"one = 1", "line 1: a key before the first table"},
		{"[a]\n  one = 1", "line 2: neither comment, table nor key"},
		{"[a]\none = [\n 1,\n]", "line 3: neither comment, table nor key"},
		{"[a]\n#One = 1", "line 2: neither comment, table nor key"},
	} {
		if _, err := readReference(strings.Split(c.text, "\n")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v; want %q", c.text, err, c.want)
		}
	}
}

// Every key of the example has its place in the manual, with a description.
func TestReferenceHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("../configs/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := readReference(strings.Split(string(text), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for _, table := range r.tables {
		for _, k := range table.keys {
			described = append(described, k.names...)
			if len(k.about) == 0 && len(table.about) == 0 {
				t.Errorf("%s %s: nothing is said of it", table.name, k.names)
			}
		}
	}
	keys := regexp.MustCompile(`(?m)^#?([a-z_]+) *=`).FindAllStringSubmatch(string(text), -1)
	if len(keys) < 20 {
		t.Fatalf("%d keys found in the example, want 20 at least", len(keys))
	}
	for _, key := range keys {
		if !slices.Contains(described, key[1]) {
			t.Errorf("%s is not in the manual", key[1])
		}
	}
}
