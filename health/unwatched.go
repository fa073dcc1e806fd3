package health

import (
	"io"
	"net"
	"syscall"

	"memvip/agent/nowait"
)

// unwatched returns a connection that reads and writes past Go's scheduler; see the package nowait. Probes and their answers
// are most of what an idle agent says and hears.
func unwatched(conn *net.TCPConn) net.Conn {
	raw, err := conn.SyscallConn()
	if err != nil {
		return conn
	}
	return &quietConn{TCPConn: conn, raw: raw}
}

// quietConn is one that does.
type quietConn struct {
	*net.TCPConn
	raw syscall.RawConn
}

// Read waits for the connection as its own Read does, with its deadlines and errors.
func (c *quietConn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	waited := c.raw.Read(func(fd uintptr) bool {
		n, _, err = nowait.Receive(fd, b)
		return err != syscall.EAGAIN
	})
	switch {
	case waited != nil:
		return 0, waited
	case err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write waits for room as the connection's own Write does, with its deadlines and errors.
func (c *quietConn) Write(b []byte) (n int, err error) {
	waited := c.raw.Write(func(fd uintptr) bool {
		for n < len(b) && err == nil {
			var sent int
			sent, err = nowait.Write(fd, b[n:])
			n += sent
		}
		full := err == syscall.EAGAIN
		if full {
			err = nil
		}
		return !full
	})
	if waited != nil {
		return n, waited
	}
	if err != nil {
		return n, &net.OpError{Op: "write", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	}
	return n, nil
}
