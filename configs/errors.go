package configs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrUnset is a configuration without a single key, as a package installs it.
var ErrUnset = errors.New("nothing is set")

// An Error is one mistake in a configuration, or in a file that it names.
type Error struct {
	File     string // as given to Load or Parse
	Line     int    // from 1; 0 if the file could not be read
	Key      string // as cluster.lease or vip.home; empty if the mistake is not about a key
	Found    string // a phrase: what stands there, and what is wrong with it
	Expected string // a phrase: what would be right

	cause error
}

// Error returns one line: file, line, key, what was found and what was expected.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	fmt.Fprintf(&b, ": %s; expected %s", e.Found, e.Expected)
	return b.String()
}

// Unwrap returns the operating system's error behind a file that could not be read, ErrUnset, or nil.
func (e *Error) Unwrap() error { return e.cause }

// problems collects everything there is to say about one file.
type problems struct {
	file     string
	found    []*Error
	warnings []string
}

func (p *problems) add(e *Error) {
	e.File = p.file
	p.found = append(p.found, e)
}

func (p *problems) warn(line int, key, format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf("%s:%d: %s: %s", p.file, line, key, fmt.Sprintf(format, args...)))
}

// err returns every mistake, joined in the order of the file, or nil.
func (p *problems) err() error {
	slices.SortStableFunc(p.found, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	list := make([]error, len(p.found))
	for i, e := range p.found {
		list[i] = e
	}
	return errors.Join(list...)
}

// quote shows a text from the file. What a terminal would act on is escaped, and a long text is cut.
func quote(s string) string {
	const shownBytesMax = 80
	if len(s) > shownBytesMax {
		return strconv.Quote(s[:shownBytesMax]) + "..."
	}
	return strconv.Quote(s)
}

// oneOf lists names for the end of a sentence.
func oneOf(list []string) string {
	if len(list) == 0 {
		return "a name, but the file has none"
	}
	if len(list) == 1 {
		return list[0]
	}
	return "one of " + strings.Join(list, ", ")
}

// nearest returns the known word closest to the written one, if a slip of the pen explains the difference:
// at most two letters, and at most a third of the word.
func nearest(written string, known []string) (string, bool) {
	best, bestDistance := "", 3
	written = strings.ToLower(written)
	for _, k := range known {
		d := distance(written, k)
		if d < bestDistance && 3*d <= len(k) {
			best, bestDistance = k, d
		}
	}
	return best, best != ""
}

// distance is Levenshtein's: how many letters must be added, dropped or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
