package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Session is one connection to memcached on which a test speaks line by line.
type Session struct {
	conn net.Conn
	in   *bufio.Reader
}

// open connects from within the node. The deadline of ctx holds for the connection's whole life.
func open(ctx context.Context, from *node, to netip.AddrPort) (*Session, error) {
	conn, err := from.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			conn.Close()
			return nil, fmt.Errorf("lab: %s: %w", to, err)
		}
	}
	return &Session{conn: conn, in: bufio.NewReader(conn)}, nil
}

// Close ends the connection.
func (s *Session) Close() error { return s.conn.Close() }

// Unacknowledged is how many bytes were sent that the other end's kernel has not acknowledged: they wait to be
// sent again.
func (s *Session) Unacknowledged() (bytes int, err error) {
	raw, err := s.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("lab: %s: %w", s.conn.RemoteAddr(), err)
	}
	controlled := raw.Control(func(fd uintptr) { bytes, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err = errors.Join(controlled, err); err != nil {
		return 0, fmt.Errorf("lab: %s: ask for unacknowledged bytes: %w", s.conn.RemoteAddr(), err)
	}
	return bytes, nil
}

// Send writes a line and reads nothing.
func (s *Session) Send(line string) error {
	if _, err := io.WriteString(s.conn, line+"\r\n"); err != nil {
		return fmt.Errorf("lab: %s: send %q: %w", s.conn.RemoteAddr(), line, err)
	}
	return nil
}

// Line reads one line.
func (s *Session) Line() (string, error) {
	line, err := s.in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("lab: %s: read: %w", s.conn.RemoteAddr(), err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// Do sends a line (or several, as a set and its value) and reads the first line of the answer.
func (s *Session) Do(line string) (string, error) {
	if err := s.Send(line); err != nil {
		return "", err
	}
	return s.Line()
}

// Set stores a value and fails unless the server says STORED.
func (s *Session) Set(key, value string) error {
	got, err := s.Do(fmt.Sprintf("set %s 0 0 %d\r\n%s", key, len(value), value))
	if err == nil && got != "STORED" {
		err = fmt.Errorf("lab: %s: set %s: want STORED, got %q", s.conn.RemoteAddr(), key, got)
	}
	return err
}

// Get reads a one-line value; it reports false for a miss.
func (s *Session) Get(key string) (string, bool, error) {
	first, err := s.Do("get " + key)
	if err != nil || first == "END" {
		return "", false, err
	}
	if !strings.HasPrefix(first, "VALUE ") {
		return "", false, fmt.Errorf("lab: %s: get %s: got %q", s.conn.RemoteAddr(), key, first)
	}
	value, err := s.Line()
	if err != nil {
		return "", false, err
	}
	if end, err := s.Line(); err != nil || end != "END" {
		return "", false, errors.Join(err, fmt.Errorf("lab: %s: get %s: want END, got %q", s.conn.RemoteAddr(), key, end))
	}
	return value, true, nil
}

// Stats asks `stats` or, with a name, `stats NAME`.
func (s *Session) Stats(name string) (map[string]string, error) {
	if err := s.Send(strings.TrimSpace("stats " + name)); err != nil {
		return nil, err
	}
	stats := map[string]string{}
	for {
		line, err := s.Line()
		if err != nil {
			return nil, err
		}
		if line == "END" {
			return stats, nil
		}
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "STAT "), " ")
		if !ok {
			return nil, fmt.Errorf("lab: %s: stats: got %q", s.conn.RemoteAddr(), line)
		}
		stats[key] = value
	}
}

// fillValue is the size of the values that Fill stores: large enough to fill gigabytes in seconds, and
// small enough to fit a slab chunk, so that memory is made of ordinary pages.
const fillValue = 64 << 10

// Fill stores at least the given number of bytes of values, on the server's private address, and fails if
// the server holds less afterwards (its -m is too small).
func (s *Session) Fill(bytes int) error {
	items := (bytes + fillValue - 1) / fillValue
	value := strings.Repeat("x", fillValue)
	out := bufio.NewWriterSize(s.conn, 1<<20)
	for i := range items {
		// A failed write stays with the writer and comes back from Flush.
		fmt.Fprintf(out, "set fill-%d 0 0 %d noreply\r\n%s\r\n", i, fillValue, value)
	}
	out.WriteString("mn\r\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("lab: %s: fill: %w", s.conn.RemoteAddr(), err)
	}
	if line, err := s.Line(); err != nil || line != "MN" {
		return errors.Join(err, fmt.Errorf("lab: %s: fill: want MN, got %q", s.conn.RemoteAddr(), line))
	}
	stats, err := s.Stats("")
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(stats["curr_items"]); err != nil || n < items {
		return fmt.Errorf("lab: %s: fill: %q items are left of %d; raise -m", s.conn.RemoteAddr(), stats["curr_items"], items)
	}
	return nil
}
