package layout

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Width is how wide, in columns, lines are laid out where no terminal says otherwise.
const Width = 80

// Wrap breaks a text at blanks into lines of at most width columns; all but the first are indented. A
// word that is longer than a line stays whole, so that it can be copied.
func Wrap(text string, width, indent int) []string {
	var out []string
	line, used := "", 0
	for _, word := range strings.Fields(Printable(text)) {
		n := utf8.RuneCountInString(word)
		switch {
		case line == "" && len(out) == 0:
			line, used = word, n
		case used+1+n > width:
			out = append(out, line)
			line, used = strings.Repeat(" ", indent)+word, indent+n
		default:
			line, used = line+" "+word, used+1+n
		}
	}
	return append(out, line)
}

// Printable keeps what a node, or a memcached, told from acting on a terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// Span is a duration as people say it: one number, never more exact than it is worth.
func Span(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return "<0.1 s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}
