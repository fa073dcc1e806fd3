package memcached

import (
	"bytes"
	"strings"
)

// Bounds of a figure list. stats and stats settings are below 200 lines and 8 KiB in every version.
const (
	statsBytesMax = 256 << 10
	statsMax      = 4096
)

// readStats takes "STAT name value" lines up to END. A name that comes twice keeps its last value.
func readStats(l *lines) (map[string]string, error) {
	stats := make(map[string]string)
	for {
		name, value, end, err := readStat(l, statsBytesMax)
		if err != nil {
			return nil, err
		}
		if end {
			return stats, nil
		}
		stats[strings.Clone(name)] = strings.Clone(value)
		if len(stats) > statsMax {
			return nil, formatError("more than %d figures", statsMax)
		}
	}
}

// readStat takes one line. Only a first line of another form is an answer in its own right; a later one breaks the
// stream.
func readStat(l *lines, bytesMax int) (name, value string, end bool, err error) {
	first := l.bytes == 0
	line, err := l.next(bytesMax)
	if err != nil {
		return "", "", false, err
	}
	if string(line) == "END" {
		return "", "", true, nil
	}
	rest, isStat := bytes.CutPrefix(line, []byte("STAT "))
	switch {
	case !isStat && first:
		return "", "", false, replyError(l.command, "STAT ...", string(line))
	case !isStat:
		return "", "", false, formatError("want a STAT line or END, got %q", clip(line))
	}
	name, value, _ = strings.Cut(string(rest), " ")
	if name == "" {
		return "", "", false, formatError("a STAT line without a name: %q", clip(line))
	}
	return name, value, false, nil
}

func clip(line []byte) []byte {
	return line[:min(len(line), replyBytesMax)]
}
