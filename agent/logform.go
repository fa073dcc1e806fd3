package agent

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"

	"memvip/configs"
)

// The forms of the log. In each of them one line is one line, and what others said acts on no terminal: control
// characters are escaped, but in the fields of the journal, which are data.

// logTimeLayout is RFC 3339 with milliseconds.
const logTimeLayout = "2006-01-02T15:04:05.000Z07:00"

// pen writes a line. There is nowhere to complain.
type pen func(*logrus.Entry)

// penFor returns the pen for a form of the log that is written to w.
func penFor(w io.Writer, format configs.LogFormat) pen {
	switch format {
	case configs.LogText:
		return linesTo(w, textForm)
	case configs.LogJSON:
		return linesTo(w, jsonForm{})
	case configs.LogJournal:
		return journalTo(journal.Send, w)
	case configs.LogAuto:
	}
	if leadsToJournal(w) {
		return journalTo(journal.Send, w)
	}
	return linesTo(w, textForm)
}

// leadsToJournal reports whether w is standard error, and what is written there goes to systemd's journal.
func leadsToJournal(w io.Writer) bool {
	if w != io.Writer(os.Stderr) {
		return false
	}
	leads, err := journal.StderrIsJournalStream()
	return err == nil && leads
}

// Complain writes why a program ends, for people. Where w leads to systemd's journal, each line is an error there.
func Complain(w io.Writer, text string) {
	if leadsToJournal(w) {
		before := fmt.Sprintf("<%d>", journal.PriErr)
		text = before + strings.ReplaceAll(text, "\n", "\n"+before)
	}
	_, _ = fmt.Fprintln(w, text) // there is nowhere else to complain
}

func linesTo(w io.Writer, form logrus.Formatter) pen {
	return func(e *logrus.Entry) {
		if text, err := form.Format(e); err == nil {
			_, _ = w.Write(text)
		}
	}
}

// textForm is key=value, with what is not plain in quotes.
var textForm = &logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: logTimeLayout}

// jsonForm is an object on each line: time, level, msg, and the fields.
type jsonForm struct{}

// Format belongs to logrus.Formatter. JSON itself leaves the control characters above ASCII's as they are.
func (jsonForm) Format(e *logrus.Entry) ([]byte, error) {
	text, err := (&logrus.JSONFormatter{TimestampFormat: logTimeLayout, DisableHTMLEscape: true}).Format(e)
	if err != nil || bytes.IndexFunc(text, isLateControl) < 0 {
		return text, err
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if isLateControl(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes(), nil
}

func isLateControl(r rune) bool { return r >= 0x7f && unicode.IsControl(r) }

// identifier is what the journal shows in front of a line.
const identifier = "memvip-agent"

// journalTo hands the journal each line's fields beside its text, by its native protocol. Where that does not take
// them, the text goes to w with its level in front, as journals read it.
func journalTo(send func(message string, p journal.Priority, fields map[string]string) error, w io.Writer) pen {
	return func(e *logrus.Entry) {
		message, priority := journalText(e), priorityOf(e.Level)
		if send(message, priority, journalFields(e)) != nil {
			fmt.Fprintf(w, "<%d>%s\n", priority, message)
		}
	}
}

// journalFields are what a line can be found by: MEMVIP_ and its key, in capitals, and MEMVIP_MESSAGE for what is always
// the same of its text.
func journalFields(e *logrus.Entry) map[string]string {
	fields := map[string]string{"SYSLOG_IDENTIFIER": identifier, "MEMVIP_MESSAGE": e.Message}
	for key, value := range e.Data {
		fields["MEMVIP_"+strings.ToUpper(key)] = fmt.Sprint(value)
	}
	return fields
}

// journalText is the line itself. The journal has time and level of its own.
func journalText(e *logrus.Entry) string {
	var b strings.Builder
	b.WriteString(plain(e.Message))
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		b.WriteString(" " + key + "=" + quoted(fmt.Sprint(e.Data[key])))
	}
	return b.String()
}

// quoted puts a value into quotes that would be more than one word, or act on a terminal.
func quoted(value string) string {
	special := func(r rune) bool {
		return r == '"' || r == '=' || r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}
	if value == "" || strings.ContainsFunc(value, special) {
		return strconv.Quote(value)
	}
	return value
}

// plain is a text that stands alone. Messages are constants, but those of a library need not be.
func plain(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

func priorityOf(level logrus.Level) journal.Priority {
	switch level {
	case logrus.PanicLevel, logrus.FatalLevel:
		return journal.PriCrit
	case logrus.ErrorLevel:
		return journal.PriErr
	case logrus.WarnLevel:
		return journal.PriWarning
	case logrus.InfoLevel:
		return journal.PriInfo
	case logrus.DebugLevel, logrus.TraceLevel:
	}
	return journal.PriDebug
}
