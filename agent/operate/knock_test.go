package operate

import (
	"bufio"
	"net"
	"sync"
	"testing"
	"time"
)

// TestClientNoticesAGap lets a server end its connection and come back.
func TestClientNoticesAGap(t *testing.T) {
	first := serve(t, "127.0.0.1:0")
	c := &Client{Address: first.Addr().String()}
	begun := time.Now()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	first.end()
	away := 3 * knockWait
	gone := time.NewTimer(away)
	<-gone.C
	serve(t, c.Address)
	noticed := time.Duration(0)
	for patience := time.After(time.Minute); noticed < away; {
		select {
		case <-time.After(knockEvery):
			noticed = c.LongestGap()
		case <-patience:
			t.Fatalf("a gap of %s at least was taken for %s", away, noticed)
		}
	}
	if lasted := time.Since(begun); noticed > lasted {
		t.Errorf("a gap of %s at most was taken for %s", lasted, noticed)
	}
}

func TestClientNeedsAnAnswerAtFirst(t *testing.T) {
	l := serve(t, "127.0.0.1:0")
	l.end()
	if err := (&Client{Address: l.Addr().String()}).Start(t.Context()); err == nil {
		t.Error("started without an answer")
	}
}

// server answers every line.
type server struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

func serve(t *testing.T, address string) *server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l}
	s.wg.Go(s.accept)
	t.Cleanup(s.end)
	return s
}

func (s *server) accept() {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.wg.Go(func() {
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				_, _ = conn.Write([]byte("VERSION 1.6.18\r\n"))
			}
		})
	}
}

func (s *server) end() {
	_ = s.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
