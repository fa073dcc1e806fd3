package lab

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// command is what a client asked, which decides how the answer ends.
type command uint8

const (
	commandStats command = iota
	commandSet
	commandDelete
	commandGet
)

// reply is a parsed answer.
type reply struct {
	found bool  // get: there was a value
	value int64 // get: the value read as a number; stats: the server's pid
}

// errPartial says that the answer has not arrived as a whole.
var errPartial = errors.New("answer is not complete")

// valueDigits is the size of every value the client writes: a version, zero-padded.
const valueDigits = 16

// parseReply reads one answer from the front of b and says how many bytes it took. It returns
// errPartial if more must arrive first, and another error if the server said anything but what the
// command asks for.
func parseReply(c command, b []byte) (reply, int, error) {
	switch c {
	case commandStats:
		return parseStats(b)
	case commandSet:
		return parseLine(b, "STORED")
	case commandDelete:
		return parseLine(b, "DELETED", "NOT_FOUND")
	case commandGet:
		return parseGet(b)
	}
	return reply{}, 0, fmt.Errorf("unknown command %d", c)
}

// cutLine splits b after its first line.
func cutLine(b []byte) (line []byte, n int, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil, 0, false
	}
	return bytes.TrimSuffix(b[:end], []byte{'\r'}), end + 1, true
}

func parseLine(b []byte, want ...string) (reply, int, error) {
	line, n, ok := cutLine(b)
	if !ok {
		return reply{}, 0, errPartial
	}
	for _, w := range want {
		if string(line) == w {
			return reply{}, n, nil
		}
	}
	return reply{}, n, unexpected(want[0], line)
}

func unexpected(want string, got []byte) error {
	const most = 60
	if len(got) > most {
		got = got[:most]
	}
	return fmt.Errorf("want %q, got %q", want, got)
}

func parseGet(b []byte) (reply, int, error) {
	line, n, ok := cutLine(b)
	if !ok {
		return reply{}, 0, errPartial
	}
	if string(line) == "END" {
		return reply{}, n, nil
	}
	if !bytes.HasPrefix(line, []byte("VALUE ")) {
		return reply{}, n, unexpected("VALUE or END", line)
	}
	value, m, ok := cutLine(b[n:])
	if !ok {
		return reply{}, 0, errPartial
	}
	n += m
	end, m, ok := cutLine(b[n:])
	if !ok {
		return reply{}, 0, errPartial
	}
	n += m
	if string(end) != "END" {
		return reply{}, n, unexpected("END", end)
	}
	version, ok := parseDigits(value)
	if !ok {
		return reply{}, n, unexpected("a version", value)
	}
	return reply{found: true, value: version}, n, nil
}

var pidField = []byte("STAT pid ")

func parseStats(b []byte) (reply, int, error) {
	var r reply
	for n := 0; ; {
		line, m, ok := cutLine(b[n:])
		if !ok {
			return reply{}, 0, errPartial
		}
		n += m
		switch {
		case string(line) == "END":
			if r.value == 0 {
				return r, n, errors.New("stats without a pid")
			}
			return r, n, nil
		case bytes.HasPrefix(line, pidField):
			pid, ok := parseDigits(line[len(pidField):])
			if !ok {
				return r, n, unexpected("a pid", line)
			}
			r.value = pid
		case !bytes.HasPrefix(line, []byte("STAT ")):
			return r, n, unexpected("STAT or END", line)
		}
	}
}

// parseDigits is strconv.ParseUint without its allocation.
func parseDigits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var v int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

// appendSet writes the command that stores a version.
func appendSet(b []byte, key string, version uint64) []byte {
	b = append(b, "set "...)
	b = append(b, key...)
	b = append(b, " 0 0 "...)
	b = strconv.AppendInt(b, valueDigits, 10)
	b = append(b, "\r\n"...)
	for digit, unit := 0, uint64(1e15); digit < valueDigits; digit, unit = digit+1, unit/10 {
		b = append(b, byte('0'+version/unit%10))
	}
	return append(b, "\r\n"...)
}

func appendGet(b []byte, key string) []byte {
	b = append(b, "get "...)
	b = append(b, key...)
	return append(b, "\r\n"...)
}

func appendDelete(b []byte, key string) []byte {
	b = append(b, "delete "...)
	b = append(b, key...)
	return append(b, "\r\n"...)
}
