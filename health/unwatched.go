package health

import (
	"io"
	"net"
	"syscall"

	"memvip/agent/nowait"
)

// unwatched returns a connection that reads past Go's scheduler; see the package nowait. Answers to probes are most of what an
// idle agent reads.
func unwatched(conn *net.TCPConn) net.Conn {
	raw, err := conn.SyscallConn()
	if err != nil {
		return conn
	}
	return &quietConn{TCPConn: conn, raw: raw}
}

// quietConn is one that reads so.
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
