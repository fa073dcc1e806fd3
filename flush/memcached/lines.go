package memcached

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lines reads one reply line by line and keeps count of its size.
type lines struct {
	r       *bufio.Reader
	command string
	bytes   int
}

// next returns the next line without its end. It stays valid until the following call.
func (l *lines) next(replyBytesMax int) ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.bytes += len(line)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, formatError("a line is longer than %d bytes", l.r.Size())
	case errors.Is(err, io.EOF) && l.bytes > 0:
		return nil, fmt.Errorf("connection ended within the reply: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("connection ended before the reply: %w", io.EOF)
	case err != nil:
		return nil, err
	case l.bytes > replyBytesMax:
		return nil, formatError("longer than %d bytes", replyBytesMax)
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// exactly reads a reply of one line that has to be want.
func (l *lines) exactly(want string) error {
	line, err := l.next(lineBytesMax)
	if err != nil {
		return err
	}
	if string(line) != want {
		return replyError(l.command, want, string(line))
	}
	return nil
}
