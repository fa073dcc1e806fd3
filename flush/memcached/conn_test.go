package memcached

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted answers each command with the next reply; an empty reply means silence.
func scripted(t *testing.T, replies ...string) *Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		commands := bufio.NewReader(theirs)
		for _, reply := range replies {
			if _, err := commands.ReadString('\n'); err != nil {
				return
			}
			if _, err := io.WriteString(theirs, reply); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, commands) // Until our side closes.
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
		<-done
	})
	return New(ours, "fake")
}

func TestConversation(t *testing.T) {
	ctx := t.Context()
	c := scripted(t, "MN\r\n", "STAT pid 7\r\nEND\r\n", connsOf1618, "OK\r\n", "OK\r\n", "CLIENT_ERROR unauthenticated\r\n", "MN\r\n")
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
	if stats, err := c.Stats(ctx, "settings"); err != nil || stats["pid"] != "7" {
		t.Errorf("got %v, %v", stats, err)
	}
	if clients, err := c.Conns(ctx); err != nil || len(clients) != 4 {
		t.Errorf("got %v, %v", clients, err)
	}
	if err := c.FlushAll(ctx); err != nil {
		t.Error(err)
	}
	if err := c.CrawlAll(ctx); err != nil {
		t.Error(err)
	}
	err := c.FlushAll(ctx)
	if got, want := err.Error(), `memcached: fake: flush_all: want "OK", got "CLIENT_ERROR unauthenticated"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := c.Noop(ctx); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
}

func TestSilenceEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scripted(t, "", "MN\r\n")
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := c.Noop(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline exceeded", err)
		}
		if waited := time.Since(start); waited != 150*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		if again := c.Noop(t.Context()); !errors.Is(again, context.DeadlineExceeded) {
			t.Errorf("a later call got %v: a late answer could be taken for its own", again)
		}
	})
}

func TestCancelEndsACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scripted(t, "")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := c.Noop(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want canceled", err)
		}
	})
}

func TestEarlierDeadlineDoesNotCutALaterCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := scripted(t, "MN\r\n", "MN\r\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := c.Noop(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		<-time.After(2 * time.Second) // Simulated time: the first deadline passes.
		if err := c.Noop(t.Context()); err != nil {
			t.Errorf("second call: %v", err)
		}
	})
}

func TestGarbageBreaksTheConnection(t *testing.T) {
	c := scripted(t, "STAT a 1\r\nVALUE\r\nEND\r\n", "MN\r\n")
	_, err := c.Stats(t.Context(), "")
	if !errors.Is(err, ErrFormat) {
		t.Fatalf("got %v, want a reply that is not understood", err)
	}
	if again := c.Noop(t.Context()); again != err {
		t.Errorf("got %v, want the first error", again)
	}
}

// A full server writes its refusal and closes before it has read anything.
func TestFullServerIsHeard(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(nc, "ERROR Too many open connections\r\n")
		_ = nc.Close()
	}()
	c, err := Dial(t.Context(), netip.MustParseAddrPort(listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-served
	err = c.Noop(t.Context())
	var reply *ReplyError
	if !errors.As(err, &reply) || reply.Kind() != KindFull {
		t.Errorf("got %v, want kind full", err)
	}
}

func TestDialRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(listener.Addr().String())
	_ = listener.Close()
	_, err = Dial(t.Context(), addr)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	if n := strings.Count(err.Error(), addr.String()); n != 1 {
		t.Errorf("%q names the server %d times", err, n)
	}
}

func TestDialEndedByContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, netip.MustParseAddrPort("127.0.0.1:1")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Figures asks both questions at once, and leaves nothing unread whatever the answers are.
func TestFigures(t *testing.T) {
	const general, settings = "STAT pid 7\r\nEND\r\n", "STAT oldest 3\r\nEND\r\n"
	for _, c := range []struct {
		name    string
		replies []string
		want    string // of the error; "" for none
		usable  bool   // the next command is answered by what is meant for it
	}{
		{"both", []string{general, settings, "MN\r\n"}, "", true},
		{"a login is wanted", []string{"CLIENT_ERROR unauthenticated\r\n", "CLIENT_ERROR unauthenticated\r\n", "MN\r\n"}, `fake: stats: want "STAT ...", got "CLIENT_ERROR unauthenticated"`, true},
		{"only the second fails", []string{general, "ERROR\r\n", "MN\r\n"}, `fake: stats settings: want "STAT ...", got "ERROR"`, true},
		{"a server that is full says so once", []string{"ERROR Too many open connections\r\n"}, "Too many open connections", false},
		{"garbage", []string{"STAT pid 7\r\nwhat\r\n", settings}, `got "what"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			conn := scripted(t, c.replies...)
			a, b, err := conn.Figures(ctx)
			switch {
			case c.want == "" && (err != nil || a["pid"] != "7" || b["oldest"] != "3"):
				t.Errorf("got %v, %v, %v", a, b, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
			if !c.usable {
				return
			}
			if err := conn.Noop(ctx); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
