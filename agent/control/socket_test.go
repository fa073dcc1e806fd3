package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is far more than anything here takes, so that only what hangs for good fails by it.
const patience = 20 * time.Second

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), SocketName) }

func serve(t *testing.T, path string, answer Handler) *Server {
	t.Helper()
	return served(t, path, answer, requestWait)
}

func served(t *testing.T, path string, answer Handler, requestWait time.Duration) *Server {
	t.Helper()
	s, err := serveWaiting(path, answer, requestWait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func answerReport(r Report) Handler {
	return func(_ context.Context, req Request) Response {
		if req.Command != CommandStatus {
			return Fail(FailUnknownCommand, "unknown command %q", req.Command)
		}
		return Reply(r)
	}
}

// reason returns why a call failed.
func reason(t *testing.T, err error) *Unreached {
	t.Helper()
	u, ok := errors.AsType[*Unreached](err)
	if !ok {
		t.Fatalf("%T: %v, want *Unreached", err, err)
	}
	return u
}

func TestStatusOverTheSocket(t *testing.T) {
	path, want := socketPath(t), newCluster().report()
	serve(t, path, answerReport(want))
	got, raw, err := Client{Path: path, Timeout: patience}.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if screen(t, got, Width, false) != screen(t, want, Width, false) {
		t.Error("the report changed on its way")
	}
	if !json.Valid(raw) {
		t.Errorf("raw: %s", raw)
	}
}

// TestManyClients: more clients at once than the server serves at once are all answered.
func TestManyClients(t *testing.T) {
	path := socketPath(t)
	serve(t, path, answerReport(newCluster().report()))
	var wg sync.WaitGroup
	for range 2 * clientsMax {
		wg.Go(func() {
			for {
				_, _, err := Client{Path: path, Timeout: patience}.Status(t.Context())
				if err == nil {
					return
				}
				if !errors.Is(err, unix.EAGAIN) { // the kernel's queue is full: again
					t.Error(err)
					return
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}

// TestSocketMode: neither a wide nor a narrow umask changes the mode, and it is right when bind returns,
// which is the first instant at which the file exists.
func TestSocketMode(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		path := socketPath(t)
		old := unix.Umask(umask)
		l, err := bind(path)
		unix.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got&^socketMode != 0 {
			t.Errorf("umask %03o: mode %03o before it is set", umask, got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		old = unix.Umask(umask)
		s := serve(t, filepath.Join(t.TempDir(), SocketName), answerReport(Report{}))
		unix.Umask(old)
		if info, err = os.Stat(s.path); err != nil || info.Mode() != fs.ModeSocket|socketMode {
			t.Errorf("umask %03o: mode %v, %v", umask, info.Mode(), err)
		}
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := socketPath(t)
	leaveStale(t, path)
	leaveStale(t, path+freshSuffix) // and the remains of a start that got no further
	serve(t, path, answerReport(newCluster().report()))
	if _, _, err := (Client{Path: path, Timeout: patience}).Status(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path + freshSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket's first name is still there: %v", err)
	}
}

// leaveStale makes a socket that nobody listens on.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLiveSocketIsRefused(t *testing.T) {
	path := socketPath(t)
	serve(t, path, answerReport(newCluster().report()))
	_, err := Serve(path, answerReport(Report{}))
	if want := "control: listen on " + path + ": another agent answers there"; !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, _, err := (Client{Path: path, Timeout: patience}).Status(t.Context()); err != nil {
		t.Errorf("the first server suffered: %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{file, "no socket"},
		{filepath.Join(dir, "missing", SocketName), "no such file or directory"},
		{filepath.Join(dir, strings.Repeat("x", 120)), "a socket's may have 103"},
	} {
		if _, err := Serve(c.path, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file in the way is gone: %v", err)
	}
}

// TestCloseLeavesASuccessorsSocket: an agent that was replaced while it ran does not take its
// successor's socket away.
func TestCloseLeavesASuccessorsSocket(t *testing.T) {
	path := socketPath(t)
	first, err := Serve(path, answerReport(Report{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	serve(t, path, answerReport(newCluster().report()))
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (Client{Path: path, Timeout: patience}).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCloseRemovesTheSocket(t *testing.T) {
	path := socketPath(t)
	s := serve(t, path, answerReport(Report{}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestCloseEndsWhatIsUnderWay: neither a handler that waits nor a client that says nothing holds Close up.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	path := socketPath(t)
	entered := make(chan struct{})
	ended := make(chan error, 1)
	s := served(t, path, func(ctx context.Context, _ Request) Response {
		close(entered)
		<-ctx.Done()
		ended <- ctx.Err()
		return Fail(FailStopping, "the agent is stopping")
	}, time.Hour)
	mute, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	failed := make(chan error, 1)
	go func() {
		_, _, err := Client{Path: path, Timeout: patience}.Status(t.Context())
		failed <- err
	}()
	<-entered
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Close waits for its clients")
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler ended with %v, want %v", err, context.Canceled)
	}
	if r := reason(t, <-failed).Reason; r != ReasonBadReply && r != ReasonFailed {
		t.Errorf("the client heard %s", r)
	}
}

func TestClientReasons(t *testing.T) {
	dir := t.TempDir()
	stale, frozen, file := filepath.Join(dir, "stale"), filepath.Join(dir, "frozen"), filepath.Join(dir, "file")
	leaveStale(t, stale)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", frozen) // takes connections into its queue and never looks at them
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		path   string
		reason Reason
		text   string
	}{
		{filepath.Join(dir, "none"), ReasonNoSocket, "no such socket"},
		{filepath.Join(dir, "none", "deeper"), ReasonNoSocket, "no such socket"},
		{file, ReasonNotSocket, "this is no socket"},
		{filepath.Join(file, "below"), ReasonNotSocket, "this is no socket"},
		{stale, ReasonRefused, "nobody listens any more: the agent that made this socket is dead"},
		{frozen, ReasonTimeout, "the agent did not answer within 50ms"},
	} {
		_, _, err := Client{Path: c.path, Timeout: 50 * time.Millisecond}.Status(t.Context())
		u := reason(t, err)
		if want := "control: " + c.path + ": " + c.text; u.Reason != c.reason || u.Error() != want {
			t.Errorf("%s: %v; want %s: %s", u.Reason, u, c.reason, want)
		}
	}
}

// TestInterrupted: a caller that gives up is not told that the agent was late.
func TestInterrupted(t *testing.T) {
	path := socketPath(t)
	asked := make(chan struct{})
	serve(t, path, func(ctx context.Context, _ Request) Response {
		close(asked)
		<-ctx.Done()
		return Fail(FailStopping, "the agent is stopping")
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, _, err := Client{Path: path, Timeout: patience}.Status(ctx)
	if u := reason(t, err); u.Reason != ReasonIO || !errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v", u.Reason, u)
	}
}

// TestDenied asks as a user who may not open the socket. Root may open every socket, so as root the
// test's own thread becomes another user for the file system, and ends.
func TestDenied(t *testing.T) {
	path := socketPath(t)
	serve(t, path, answerReport(newCluster().report()))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setfsuid(65534); err != nil {
			failed <- err
			return
		}
		_, _, err := Client{Path: path, Timeout: patience}.Status(t.Context())
		failed <- err
	}()
	if u := reason(t, <-failed); u.Reason != ReasonDenied || !strings.HasSuffix(u.Error(), "permission denied") {
		t.Errorf("%s: %v", u.Reason, u)
	}
}

// TestBadAnswers: what is no agent's answer is said to be none, and ends within the timeout.
func TestBadAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		reason Reason
		text   string
	}{
		"nothing":       {"", ReasonBadReply, "ended early"},
		"half":          {`{"version":1,"body":{`, ReasonBadReply, "ended early"},
		"no_json":       {"HTTP/1.1 400 Bad Request\n", ReasonBadReply, "not an agent's"},
		"no_body":       {`{"version":1}` + "\n", ReasonBadReply, "not an agent's"},
		"no_report":     {`{"version":1,"body":[]}` + "\n", ReasonBadReply, "cannot be read"},
		"later_schema":  {`{"version":1,"body":{"schema":2}}` + "\n", ReasonBadReply, "schema 2, this program knows 1"},
		"other_version": {`{"version":2,"failure":"version","text":"protocol version 1 asked for, this agent speaks 2"}` + "\n", ReasonFailed, "speaks 2"},
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				conn, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _, _ = readRequest(conn)
				_, _ = io.WriteString(conn, c.answer)
			})
			_, _, err = Client{Path: path, Timeout: patience}.Status(t.Context())
			if u := reason(t, err); u.Reason != c.reason || !strings.Contains(u.Error(), c.text) {
				t.Errorf("%s: %v; want %s: %s", u.Reason, u, c.reason, c.text)
			}
		})
	}
}

// TestBadRequests: what is no request gets a failure, and the server goes on.
func TestBadRequests(t *testing.T) {
	path := socketPath(t)
	serve(t, path, answerReport(newCluster().report()))
	for _, c := range []struct {
		request string
		want    Failure
	}{
		{"\n", FailBadRequest},
		{"status\n", FailBadRequest},
		{`{"version":1,"command":5}` + "\n", FailBadRequest},
		{`{"version":9,"command":"status"}` + "\n", FailVersion},
		{`{"version":1,"command":"dance"}` + "\n", FailUnknownCommand},
		{strings.Repeat("x", requestBytesMax), FailBadRequest},
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.request); err != nil {
			t.Fatal(err)
		}
		resp, err := readResponse(conn)
		if err != nil || resp.Failure != c.want || resp.Text == "" {
			t.Errorf("%.40q: %+v, %v; want %s", c.request, resp, err, c.want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add([]byte(`{"version":1,"command":"status"}` + "\n"))
	f.Add([]byte(`{"version":2}` + "\n"))
	f.Add([]byte("{}"))
	f.Add(bytes.Repeat([]byte("["), requestBytesMax))
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, failure, err := readRequest(bytes.NewReader(raw))
		if (failure == NoFailure) != (err == nil) {
			t.Errorf("failure %q with error %v", failure, err)
		}
		if failure == NoFailure && req.Version != ProtocolVersion {
			t.Errorf("version %d is taken", req.Version)
		}
	})
}

func FuzzReadResponse(f *testing.F) {
	good, err := json.Marshal(Reply(newCluster().report()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(good, '\n'))
	f.Add([]byte(`{"version":1,"failure":"internal","text":"x"}` + "\n"))
	f.Add([]byte("\x00\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		resp, err := readResponse(bytes.NewReader(raw))
		if err != nil {
			return
		}
		var r Report
		if json.Unmarshal(resp.Body, &r) == nil {
			_ = screen(t, r, Width, true)
		}
	})
}

// TestReasonsHaveNames keeps the closed set closed.
func TestReasonsHaveNames(t *testing.T) {
	for r := ReasonNoSocket; r <= ReasonIO; r++ {
		if strings.HasPrefix(r.String(), "reason(") {
			t.Errorf("%d has no name", r)
		}
	}
	if got := fmt.Sprint(ReasonIO + 1); !strings.HasPrefix(got, "reason(") {
		t.Errorf("%s is not walked over", got)
	}
}
