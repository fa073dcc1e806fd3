package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// ProtocolVersion is what this package speaks. A peer with another one is told so in words.
const ProtocolVersion = 1

// SocketName is the control socket's name in the agent's runtime directory.
const SocketName = "agent.sock"

// Sizes that no honest peer reaches. A request names a command; a reply of a thousand VIPs on a
// hundred nodes has a few MiB.
const (
	requestBytesMax = 4 << 10
	replyBytesMax   = 32 << 20
)

// Command names what is asked for.
type Command string

// CommandStatus asks for a Report.
const CommandStatus Command = "status"

// Request is one line of JSON from the tool to the agent.
type Request struct {
	Version int     `json:"version"`
	Command Command `json:"command"`
}

// Failure says why a request has no answer. The set is closed.
type Failure string

// The failures.
const (
	NoFailure          Failure = ""
	FailBadRequest     Failure = "bad_request"     // not a request
	FailVersion        Failure = "version"         // another protocol version
	FailUnknownCommand Failure = "unknown_command" // the agent does not know the command
	FailStopping       Failure = "stopping"        // the agent is on its way down
	FailInternal       Failure = "internal"        // the agent could not put its answer together
)

// Response is one line of JSON from the agent to the tool: a body, or a failure and its text.
type Response struct {
	Version int             `json:"version"`
	Failure Failure         `json:"failure,omitempty"`
	Text    string          `json:"text,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`
}

// Reply wraps a body, such as a Report.
func Reply(body any) Response {
	raw, err := json.Marshal(body)
	if err != nil {
		return Fail(FailInternal, "encode the answer: %v", err)
	}
	return Response{Version: ProtocolVersion, Body: raw}
}

// Fail is a response that says why there is no answer.
func Fail(why Failure, format string, args ...any) Response {
	return Response{Version: ProtocolVersion, Failure: why, Text: fmt.Sprintf(format, args...)}
}

// readRequest reads one request. The failure is NoFailure if the request may be answered.
func readRequest(r io.Reader) (Request, Failure, error) {
	line, err := readLine(r, requestBytesMax)
	if err != nil {
		return Request{}, FailBadRequest, fmt.Errorf("read the request: %w", err)
	}
	var req Request
	if err := json.Unmarshal(line, &req); err != nil {
		return Request{}, FailBadRequest, fmt.Errorf("read the request: %w", err)
	}
	if req.Version != ProtocolVersion {
		return req, FailVersion, fmt.Errorf("protocol version %d asked for, this agent speaks %d", req.Version, ProtocolVersion)
	}
	return req, NoFailure, nil
}

// readResponse reads one response.
func readResponse(r io.Reader) (Response, error) {
	line, err := readLine(r, replyBytesMax)
	if err != nil {
		return Response{}, err
	}
	var resp Response
	if err := json.Unmarshal(line, &resp); err != nil {
		return Response{}, err
	}
	return resp, nil
}

// readLine reads up to the first line feed, and no more than bytesMax bytes.
func readLine(r io.Reader, bytesMax int64) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, bytesMax)).ReadBytes('\n')
	switch {
	case err == nil:
		return bytes.TrimSuffix(line, []byte("\n")), nil
	case err == io.EOF && int64(len(line)) == bytesMax:
		return nil, fmt.Errorf("more than %d bytes", bytesMax)
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	}
	return nil, err
}

// writeLine writes a value as one line of JSON.
func writeLine(w io.Writer, value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
