package service

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listenAsManager listens where a service manager would, and says so in the environment.
func listenAsManager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func heard(t *testing.T, conn *net.UnixConn) []string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b[:n]), "\n")
}

// What the manager hears it hears because the loop answered: with a loop that stands the watchdog is not fed.
func TestTheManagerHearsWhatTheLoopAnswers(t *testing.T) {
	conn := listenAsManager(t)
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(40_000))
	h := NewHerald(func(err error) { t.Error(err) })
	answers, asked, ended := make(chan string), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		h.Follow(t.Context(), func() (string, error) {
			asked <- struct{}{}
			text, ok := <-answers
			if !ok {
				return "", errors.New("the loop has ended")
			}
			return text, nil
		})
	}()
	for _, c := range []struct {
		answer string
		want   []string
	}{
		{"serves nothing", []string{"READY=1", "WATCHDOG=1", "STATUS=serves nothing"}},
		{"serves nothing", []string{"WATCHDOG=1"}},
		{"serves 10.0.0.101", []string{"WATCHDOG=1", "STATUS=serves 10.0.0.101"}},
	} {
		<-asked
		answers <- c.answer
		if got := heard(t, conn); !slices.Equal(got, c.want) {
			t.Errorf("after %q the manager hears %q, want %q", c.answer, got, c.want)
		}
	}
	<-asked
	close(answers)
	<-ended
	h.Stopping("terminated")
	if got, want := heard(t, conn), []string{"STOPPING=1", "STATUS=stops: terminated"}; !slices.Equal(got, want) {
		t.Errorf("at the end the manager hears %q, want %q", got, want)
	}
}

func TestAManagerThatDoesNotReadIsNotWaitedFor(t *testing.T) {
	listenAsManager(t)
	var trouble error
	h := NewHerald(func(err error) { trouble = err })
	for range 10_000 { // more than any socket has room for
		h.tell("STATUS=on and on")
		if trouble != nil {
			return
		}
	}
	t.Error("everything was taken by a manager that reads nothing")
}

func TestNobodyIsToldWhereNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	h := NewHerald(nil)
	if h != nil {
		t.Fatalf("%+v", h)
	}
	h.tell("READY=1")
	h.Stopping("")
	h.Anew("")
	h.Follow(context.Background(), func() (string, error) { t.Error("the loop is asked for nobody"); return "", errors.New("end") })
}
