package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"memvip/integration/lab"
)

// printer writes for a reader: every line at once, none wider than width, colour only on a terminal.
type printer struct {
	out   io.Writer
	color bool
	blank bool  // the last line was
	err   error // the first that came of writing
}

// newPrinter prints to a file, without colour where the user asks for none (no-color.org).
func newPrinter(f *os.File) *printer {
	color := term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return &printer{out: f, color: color}
}

// The colours. Without them nothing is lost.
const (
	bold  = "1"
	faint = "2"
	green = "32"
	red   = "1;31"
)

const indent = 3

// gap separates what follows by one blank line.
func (p *printer) gap() {
	if !p.blank {
		p.line("")
	}
}

func (p *printer) line(text string) {
	p.blank = text == ""
	if _, err := fmt.Fprintln(p.out, text); err != nil && p.err == nil {
		p.err = fmt.Errorf("write: %w", err)
	}
}

func (p *printer) painted(style, text string) string {
	if !p.color || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// introduction says what is on stage.
func (p *printer) introduction(l *lab.Lab) {
	p.line(p.painted(bold, "memvip: a failover and a hand-back on real parts"))
	p.line("")
	for _, v := range l.VIPs {
		p.line(fmt.Sprintf("   %s  %s  is home of %s", v.Home.Name, v.Home.Addr, v.Addr))
	}
	p.line("")
	p.say("Each host is a network namespace with memcached and memvip-agent. A client makes a new attempt, read or "+
		"write in turn, through each of the %d addresses (VIPs) every millisecond, and checks every value that it "+
		"reads. A watcher listens to ARP and asks every host every 10 ms which VIPs it answers for.", len(l.VIPs))
}

func (p *printer) heading(n int, title string) {
	p.gap()
	p.line(p.painted(bold, fmt.Sprintf("%d  %s", n, title)))
}

// say writes a sentence about what is going on.
func (p *printer) say(format string, args ...any) {
	for _, l := range wrap(fmt.Sprintf(format, args...), width-indent) {
		p.line(strings.Repeat(" ", indent) + l)
	}
}

// news writes what has just been seen, and how long after the step's cause.
func (p *printer) news(after time.Duration, format string, args ...any) {
	p.hanging(fmt.Sprintf("+%.1f s", after.Seconds()), faint, fmt.Sprintf(format, args...))
}

// result writes what a step came to.
func (p *printer) result(format string, args ...any) {
	p.hanging("=>", green, fmt.Sprintf(format, args...))
}

// hanging writes a text beside its mark.
func (p *printer) hanging(mark, style, text string) {
	const margin = indent + 8
	for i, l := range wrap(text, width-margin) {
		lead := strings.Repeat(" ", margin)
		if i == 0 {
			lead = fmt.Sprintf("%*s", margin-2, mark)
			lead = strings.Replace(lead, mark, p.painted(style, mark), 1) + "  "
		}
		p.line(lead + l)
	}
}

// session writes a command and what it printed, word for word.
func (p *printer) session(where, command string, output []byte, code int) {
	p.gap()
	p.line(p.painted(faint, where+"$ ") + p.painted(bold, command))
	for l := range strings.Lines(strings.TrimSpace(string(output))) {
		p.line(strings.TrimRight(l, "\n"))
	}
	p.line(p.painted(faint, fmt.Sprintf("(exit code %d)", code)))
	p.line("")
}

// legend explains what the table's heads have no room for.
const legend = "OUTAGE: last answer to first answer of the VIP that moved, as the client saw it, with a new attempt each " +
	"millisecond. 1st ARP: to the new holder's first gratuitous ARP, from the fault or, in a hand-back, from the old " +
	"holder's last answer."

// heldWorthTelling is how long the machine must have held the client up to bend the figures.
const heldWorthTelling = 20 * time.Millisecond

// finale writes the table and the verdict. held is how long the machine held the client up at most.
func (p *printer) finale(rows []row, held time.Duration, broken []string) {
	p.gap()
	for i, l := range tableLines(rows) {
		if i < 2 {
			l = p.painted(faint, l)
		}
		p.line(l)
	}
	p.line("")
	p.block(faint, legend)
	if held >= heldWorthTelling {
		p.block(faint, fmt.Sprintf("This machine is busy: it held the client itself up for as long as %s ms.", figure(true, held)))
	}
	p.line("")
	if len(broken) == 0 {
		p.block(green, "both promises kept: never stale; always served, by exactly one host")
	}
	for _, b := range broken {
		p.block(red, "BROKEN: "+b)
	}
}

// block writes a paragraph from margin to margin.
func (p *printer) block(style, text string) {
	for _, l := range wrap(text, width) {
		p.line(p.painted(style, l))
	}
}

// wrap breaks a text at blanks into lines of at most limit columns. A longer word stays whole.
func wrap(text string, limit int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > limit:
			out = append(out, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(out, line)
}
