package roff

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Page is a manual page as it is written, from its beginning to its end.
type Page struct{ b strings.Builder }

// New begins the page of a name, as memvip-agent.toml, with the line that says what that is. It bears the build's day and
// version.
func New(name string, section int, day time.Time, version, what string) *Page {
	p := &Page{}
	fmt.Fprintf(&p.b, ".TH %s %d %q \"memvip %s\" memvip\n", Text(strings.ToUpper(name)), section, day.UTC().Format(time.DateOnly), Text(version))
	fmt.Fprintf(&p.b, ".SH NAME\n%s \\- %s\n", Text(name), Text(what))
	return p
}

// String returns the page.
func (p *Page) String() string { return p.b.String() }

// Section begins one.
func (p *Page) Section(title string) { fmt.Fprintf(&p.b, ".SH %s\n", Text(title)) }

// Paragraphs writes a text in which an empty line begins another paragraph and `backquotes` mark what one types.
func (p *Page) Paragraphs(text string) { p.text(text, ".PP\n") }

// Item writes names, marked up already, and below them, indented, what they are.
func (p *Page) Item(names []string, text string) {
	request := ".TP\n"
	for _, name := range names {
		p.b.WriteString(request + name + "\n")
		request = ".TQ\n"
	}
	p.text(text, ".IP\n")
}

// quoted is what stands between backquotes.
var quoted = regexp.MustCompile("`([^`]+)`")

func (p *Page) text(text, paragraph string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimSpace(line)
		if line == "" {
			p.b.WriteString(paragraph)
			continue
		}
		p.b.WriteString(first(quoted.ReplaceAllString(Text(line), `\fB$1\fR`)) + "\n")
	}
}

// Example writes a text as it stands.
func (p *Page) Example(text string) {
	p.b.WriteString(".EX\n")
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		p.b.WriteString(first(Text(line)))
	}
	p.b.WriteString(".EE\n")
}

// SeeAlso ends the page with others, as agentctl(1).
func (p *Page) SeeAlso(pages ...string) {
	p.Section(`"SEE ALSO"`)
	for i, page := range pages {
		name, section, _ := strings.Cut(page, "(")
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		fmt.Fprintf(&p.b, ".BR %s (%s%s\n", Text(name), section, end)
	}
}

// Bold and Italic mark a text up, for an Item.
func Bold(text string) string { return `\fB` + Text(text) + `\fR` }

// Italic marks what one puts something else for.
func Italic(text string) string { return `\fI` + Text(text) + `\fR` }

// first keeps the first character of a line from being a request.
func first(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

var masks = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, `^`, `\(ha`, `~`, `\(ti`)

// Text returns a text in which nothing means anything to roff but the beginning of a line. A hyphen in it is one that can be
// searched for and copied.
func Text(text string) string { return masks.Replace(text) }
