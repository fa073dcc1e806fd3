package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Reason says why no agent answered. The set is closed.
type Reason int

// The reasons.
const (
	_ Reason = iota
	// ReasonNoSocket: there is no such file. The agent never ran here, or stopped in order.
	ReasonNoSocket
	// ReasonNotSocket: the path is something else.
	ReasonNotSocket
	// ReasonRefused: the socket's agent is dead.
	ReasonRefused
	// ReasonDenied: the caller may not open the socket.
	ReasonDenied
	// ReasonTimeout: the agent lives, but did not answer in time: it is frozen, or starved.
	ReasonTimeout
	// ReasonBadReply: what answered is no agent, or ended in the middle of its reply.
	ReasonBadReply
	// ReasonFailed: the agent answered that it cannot answer.
	ReasonFailed
	// ReasonIO: any other failure of the socket.
	ReasonIO
)

func (r Reason) String() string {
	switch r {
	case ReasonNoSocket:
		return "no_socket"
	case ReasonNotSocket:
		return "not_socket"
	case ReasonRefused:
		return "refused"
	case ReasonDenied:
		return "denied"
	case ReasonTimeout:
		return "timeout"
	case ReasonBadReply:
		return "bad_reply"
	case ReasonFailed:
		return "failed"
	case ReasonIO:
		return "io"
	}
	return fmt.Sprintf("reason(%d)", int(r))
}

// Unreached is the error of every call of a Client: no agent answered what was asked.
type Unreached struct {
	Path    string
	Reason  Reason
	Failure Failure // with ReasonFailed: the agent's own word
	Detail  string
	Text    string // with ReasonFailed: the agent's own words
	Err     error  // the cause, if it was an error
}

func (u *Unreached) Error() string { return fmt.Sprintf("control: %s: %s", u.Path, u.Detail) }

func (u *Unreached) Unwrap() error { return u.Err }

// Words says why there is no answer, to whom the socket's path is known.
func (u *Unreached) Words() string {
	if u.Text != "" {
		return u.Text
	}
	return u.Detail
}

// A Client asks the agent behind one socket.
type Client struct {
	Path    string
	Timeout time.Duration // for a whole call
}

// Status asks for the agent's report. The raw form has all that the agent said, in its own schema's
// fields, known here or not. The error is an *Unreached.
func (c Client) Status(ctx context.Context) (Report, json.RawMessage, error) {
	return c.StatusOf(ctx, Request{})
}

// StatusOf is Status of a node, or with what the other nodes see, as the request says; its command is filled in.
func (c Client) StatusOf(ctx context.Context, r Request) (Report, json.RawMessage, error) {
	r.Version, r.Command, r.Patience = ProtocolVersion, CommandStatus, c.Timeout.Milliseconds()
	resp, err := c.Do(ctx, r)
	if err != nil {
		return Report{}, nil, err
	}
	var report Report
	if err := json.Unmarshal(resp.Body, &report); err != nil {
		return Report{}, nil, &Unreached{Path: c.Path, Reason: ReasonBadReply, Detail: "the report cannot be read: " + err.Error(), Err: err}
	}
	if report.Schema != Schema {
		detail := fmt.Sprintf("the report has schema %d, this program knows %d", report.Schema, Schema)
		return Report{}, nil, &Unreached{Path: c.Path, Reason: ReasonBadReply, Detail: detail}
	}
	return report, resp.Body, nil
}

// Do sends one request and returns the reply, which is no failure. The error is an *Unreached.
func (c Client) Do(ctx context.Context, req Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Path)
	if err != nil {
		return Response{}, c.unreached(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	resp, err := exchange(conn, req)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return Response{}, &Unreached{Path: c.Path, Reason: ReasonIO, Detail: "interrupted", Err: ctx.Err()}
	case err != nil:
		return Response{}, c.unanswered(err)
	case resp.Failure != NoFailure:
		return Response{}, &Unreached{Path: c.Path, Reason: ReasonFailed, Failure: resp.Failure, Text: resp.Text, Detail: "the agent answers: " + resp.Text}
	case resp.Version != ProtocolVersion || len(bytes.TrimSpace(resp.Body)) == 0:
		return Response{}, &Unreached{Path: c.Path, Reason: ReasonBadReply, Detail: "the answer is not an agent's"}
	}
	return resp, nil
}

// exchange sends a request and reads the reply. A reply counts even if the request could not be sent
// whole: an agent that refuses may have closed its side already.
func exchange(conn net.Conn, req Request) (Response, error) {
	sendErr := writeLine(conn, req)
	resp, err := readResponse(conn)
	if err != nil && sendErr != nil {
		return Response{}, sendErr
	}
	return resp, err
}

// unreached says why nobody took the connection.
func (c Client) unreached(err error) *Unreached {
	u := &Unreached{Path: c.Path, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.Reason, u.Detail = ReasonNoSocket, "no such socket"
	case errors.Is(err, fs.ErrPermission):
		u.Reason, u.Detail = ReasonDenied, "permission denied"
	case errors.Is(err, unix.ECONNREFUSED) && !isSocket(c.Path), errors.Is(err, unix.ENOTDIR):
		u.Reason, u.Detail = ReasonNotSocket, "this is no socket"
	case errors.Is(err, unix.ECONNREFUSED):
		u.Reason, u.Detail = ReasonRefused, "nobody listens any more: the agent that made this socket is dead"
	case errors.Is(err, unix.EAGAIN):
		u.Reason, u.Detail = ReasonTimeout, "the agent takes no more connections: its queue is full"
	case isTimeout(err):
		u.Reason, u.Detail = ReasonTimeout, c.late()
	default:
		u.Reason, u.Detail = ReasonIO, rootCause(err).Error()
	}
	return u
}

// unanswered says why a connection brought no answer.
func (c Client) unanswered(err error) *Unreached {
	u := &Unreached{Path: c.Path, Err: err}
	if isTimeout(err) {
		u.Reason, u.Detail = ReasonTimeout, c.late()
		return u
	}
	u.Reason, u.Detail = ReasonBadReply, "the answer ended early or is not an agent's: "+rootCause(err).Error()
	return u
}

func (c Client) late() string { return fmt.Sprintf("the agent did not answer within %s", c.Timeout) }

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}
