package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Limits of a Server. They bound what any number of clients can cost the agent; none is a promise to
// a client, which has its own timeout.
const (
	clientsMax    = 64               // at once; further ones wait in the kernel's queue
	requestWait   = 2 * time.Second  // for a client to say what it wants, outside of tests
	answerWait    = 10 * time.Second // for the handler
	replyWait     = 5 * time.Second  // for a client to take the reply
	acceptBackoff = 100 * time.Millisecond
)

// A Handler answers one request. Many run at once. It returns when ctx ends, at the latest.
type Handler func(ctx context.Context, req Request) Response

// A Server answers on the control socket until it is closed.
type Server struct {
	path     string
	listener *net.UnixListener
	file     os.FileInfo // the socket as made, to tell it from a successor's
	answer   Handler

	requestWait time.Duration // for a client to say what it wants

	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{} // a token per client being served
	wg     sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Serve makes the socket at path, with mode 0660 from its first instant, and answers on it. A dead
// agent's socket is replaced; a live one's is not (ErrInUse).
func Serve(path string, answer Handler) (*Server, error) {
	return serveWaiting(path, answer, requestWait)
}

func serveWaiting(path string, answer Handler, requestWait time.Duration) (*Server, error) {
	l, file, err := listen(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		path: path, listener: l, file: file, answer: answer, requestWait: requestWait,
		ctx: ctx, cancel: cancel, slots: make(chan struct{}, clientsMax),
	}
	s.wg.Go(s.accept)
	return s, nil
}

// Close stops answering, ends what is under way, and removes the socket unless it is already somebody
// else's. When it returns no goroutine of the server is left. Closing twice is harmless.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.cancel()
		closeErr := s.listener.Close()
		s.wg.Wait()
		if err := errors.Join(closeErr, s.remove()); err != nil {
			s.closeErr = fmt.Errorf("control: close %s: %w", s.path, err)
		}
	})
	return s.closeErr
}

// remove takes the socket's name away if it still names this server's socket.
func (s *Server) remove() error {
	info, err := os.Lstat(s.path)
	if err != nil || !os.SameFile(info, s.file) {
		return nil
	}
	return os.Remove(s.path)
}

func (s *Server) accept() {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		conn, err := s.listener.AcceptUnix()
		if err == nil {
			s.wg.Go(func() { s.serve(conn) })
			continue
		}
		<-s.slots
		if !s.pause() {
			return
		}
	}
}

// pause waits a little after a failed accept (no file descriptor left, say); false means closed.
func (s *Server) pause() bool {
	t := time.NewTimer(acceptBackoff)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// serve handles one client. A client that does not read or write costs a slot until its deadline.
func (s *Server) serve(conn *net.UnixConn) {
	defer func() { <-s.slots }()
	defer conn.Close()
	stop := context.AfterFunc(s.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if conn.SetReadDeadline(time.Now().Add(s.requestWait)) != nil || s.ctx.Err() != nil {
		return
	}
	resp := s.respond(conn)
	if conn.SetWriteDeadline(time.Now().Add(replyWait)) != nil || s.ctx.Err() != nil {
		return
	}
	_ = writeLine(conn, resp) // a client that went away needs no reply
}

// respond reads a request and has it answered.
func (s *Server) respond(conn net.Conn) Response {
	req, failure, err := readRequest(conn)
	if failure != NoFailure {
		return Fail(failure, "%v", err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, answerWait)
	defer cancel()
	return s.answer(ctx, req)
}
