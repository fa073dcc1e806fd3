package health

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An unwatched connection reads as any other does, and ends as any other does.
func TestUnwatchedReadsAsAnyOther(t *testing.T) {
	const said = "MN\r\n"
	for _, c := range []struct {
		name string
		end  func(t *testing.T, server, client *net.TCPConn)
		want error
	}{
		{"the server has closed", func(t *testing.T, server, _ *net.TCPConn) { check(t, server.Close()) }, io.EOF},
		{"the server has reset it", func(t *testing.T, server, _ *net.TCPConn) {
			check(t, server.SetLinger(0))
			check(t, server.Close())
		}, unix.ECONNRESET},
		{"the time is over", func(t *testing.T, _, client *net.TCPConn) { check(t, client.SetReadDeadline(time.Unix(1, 0))) }, os.ErrDeadlineExceeded},
		{"it is closed here", func(t *testing.T, _, client *net.TCPConn) { check(t, client.Close()) }, net.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, client := tcpPair(t)
			conn := unwatched(client)
			if n, err := conn.Read(nil); n != 0 || err != nil {
				t.Errorf("read %d, %v into no room", n, err)
			}
			read := make(chan string)
			go func() {
				b := make([]byte, len(said))
				_, err := io.ReadFull(conn, b) // waits: nothing was said yet
				check(t, err)
				read <- string(b)
			}()
			_, err := io.WriteString(server, said)
			check(t, err)
			if got := <-read; got != said {
				t.Errorf("read %q, want %q", got, said)
			}
			ended := make(chan error)
			go func() {
				_, err := conn.Read(make([]byte, 1))
				ended <- err
			}()
			c.end(t, server, client)
			if err := <-ended; !errors.Is(err, c.want) {
				t.Errorf("read: %v, want %v", err, c.want)
			}
		})
	}
}

// It writes as any other does: all of it, even if that has to wait for the other side to read.
func TestUnwatchedWritesAsAnyOther(t *testing.T) {
	server, client := tcpPair(t)
	conn := unwatched(client)
	long := bytes.Repeat([]byte("mn\r\n"), 1<<20) // more than both ends hold
	wrote := make(chan error)
	go func() {
		n, err := conn.Write(long)
		if err == nil && n != len(long) {
			err = io.ErrShortWrite
		}
		wrote <- err
	}()
	got := make([]byte, len(long))
	if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, long) {
		t.Errorf("something else arrived, %v", err)
	}
	check(t, <-wrote)
	check(t, client.SetWriteDeadline(time.Unix(1, 0)))
	if _, err := conn.Write(long); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the time is over: %v", err)
	}
	check(t, client.SetWriteDeadline(time.Time{}))
	check(t, client.CloseWrite())
	if n, err := conn.Write(long); n != 0 || !errors.Is(err, unix.EPIPE) {
		t.Errorf("wrote %d bytes to a connection that is shut, %v", n, err)
	}
	check(t, client.Close())
	if _, err := conn.Write(long); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it is closed here: %v", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// tcpPair returns both ends of a connection; they are closed at the test's end.
func tcpPair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	there, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server, client = here.(*net.TCPConn), there.(*net.TCPConn)
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}
