package history

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// textBytesMax bounds each free text of an entry: an error may quote anything, and a list of voters is as
// long as it is. A line is then at most some 20 KiB, of a generation's 512.
const textBytesMax = 1024

// seqMax bounds the sequence numbers that are believed, so that the next one does not overflow.
const seqMax = 1 << 62

// bounded returns an entry as it reads after its way through a file.
func bounded(e Entry) Entry {
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	if epoch := time.Unix(0, 0).UTC(); e.Time.Before(epoch) || e.Time.Year() > 9999 {
		e.Time = epoch // no clock that is set says so, and RFC 3339 may have no such year
	}
	for _, text := range []*string{&e.VIP, &e.From, &e.To, &e.Peer, &e.Detail, &e.Command, &e.By} {
		*text = shortened(*text)
	}
	return e
}

func shortened(text string) string {
	if len(text) > textBytesMax {
		text = text[:textBytesMax] + "~"
	}
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "?")
}

// encode returns an entry as a line of JSON.
func encode(e Entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(e)
	return b.Bytes(), err
}

// decode reads a line. It reports false for one that is torn, damaged, or no entry.
func decode(line []byte) (e Entry, ok bool) {
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, false
	}
	return e, e.Seq > 0 && e.Seq < seqMax && e.Node != "" && e.Kind != "" && !e.Time.IsZero()
}

// decodeAll reads lines, and counts those that are none.
func decodeAll(text []byte) (entries []Entry, skipped int) {
	for line := range bytes.Lines(text) {
		switch e, ok := decode(line); {
		case ok:
			entries = append(entries, e)
		case len(bytes.TrimSpace(line)) > 0: // a blank line ends a torn one, which is counted
			skipped++
		}
	}
	return entries, skipped
}

// lastSeq returns the sequence number of the last line that is an entry; 0 if there is none. skipped
// counts the lines after it that are none.
func lastSeq(text []byte) (seq uint64, skipped int) {
	for len(text) > 0 {
		text = bytes.TrimSuffix(text, []byte("\n"))
		begin := bytes.LastIndexByte(text, '\n') + 1
		line := text[begin:]
		if e, ok := decode(line); ok {
			return e.Seq, skipped
		}
		if len(bytes.TrimSpace(line)) > 0 {
			skipped++
		}
		text = text[:begin]
	}
	return 0, skipped
}
