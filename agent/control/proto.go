package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"memvip/agent/history"
	"time"
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

// The commands. Those that change something are answered as soon as they are taken up; what becomes of them is seen in
// the Report.
const (
	CommandStatus   Command = "status"   // asks for a Report
	CommandView     Command = "view"     // asks for a View
	CommandHistory  Command = "history"  // asks for a list of history.Entry, of this node alone
	CommandDoctor   Command = "doctor"   // asks for a list of doctor.Finding
	CommandConfig   Command = "config"   // asks for the RunningConfig
	CommandClock    Command = "clock"    // asks for a Clock
	CommandDrain    Command = "drain"    // gives the node's VIPs away and has it take none, or ends that: On
	CommandMove     Command = "move"     // asks the holder to give VIP to To
	CommandHandback Command = "handback" // asks the home of VIP to have it back
	CommandPause    Command = "pause"    // keeps VIPs of the whole cluster from going home unasked, or ends that: On
	CommandFlush    Command = "flush"    // asks for a Flushed
	CommandReload   Command = "reload"   // has the agent read its configuration again
	CommandTrace    Command = "trace"    // asks for the trace.Journal of VIP, of this node alone
	CommandKeys     Command = "keys"     // asks for the NodeKeys, or changes them: Keys
)

// Request is one line of JSON from the tool to the agent, and what one agent asks another in its stead.
type Request struct {
	Version  int            `json:"version"`
	Command  Command        `json:"command"`
	Node     string         `json:"node,omitempty"`        // that is asked; "": the one that has the socket
	Patience int64          `json:"patience_ms,omitempty"` // how long the asker waits; 0: not said
	VIP      string         `json:"vip,omitempty"`
	To       string         `json:"to,omitempty"`
	On       bool           `json:"on,omitempty"`
	Views    bool           `json:"views,omitempty"`  // of status: with what the other nodes see
	History  history.Filter `json:"history,omitzero"` // of history
	Keys     KeysRequest    `json:"keys,omitzero"`    // of keys
	By       string         `json:"by,omitempty"`     // the node where the operator asked; agents fill it in
}

// View is what one node sees of every VIP.
type View struct {
	Node string     `json:"node"`
	VIPs []VIPSight `json:"vips"`

	// Claimed says how long ago a claim came from each node itself; null if the node is no voter, and gets none, or
	// has listened for too short a time.
	Claimed map[string]time.Duration `json:"claimed_ns"`

	Keys []string `json:"keys,omitempty"` // fingerprints of its gossip keys, the sealing one first; left out by an older agent

	Refused *Refused `json:"refused,omitempty"` // nil: nothing, since the node's agent began
}

// Refused is what a node would not become: another program, or its own with another configuration. It goes on as it was.
type Refused struct {
	What string        `json:"what"` // "reload" or "upgrade"
	Why  string        `json:"why"`
	Ago  time.Duration `json:"ago_ns"`
}

// VIPSight is what one node sees of a VIP: who holds it by the voters' word, and who answers for it on the node's link.
type VIPSight struct {
	Address string   `json:"address"`
	Holder  string   `json:"holder"` // "" if a majority of voters names nobody
	Epoch   uint64   `json:"epoch"`
	Asked   bool     `json:"asked"`             // by ARP; false for IPv6, where the node has the address itself, and where five others were to ask
	MACs    []string `json:"macs"`              // that answered
	Trouble string   `json:"trouble,omitempty"` // why it could not be asked
}

// RunningConfig is a configuration as an agent runs with it.
type RunningConfig struct {
	Path  string   `json:"path"`
	Lines []string `json:"lines"` // "key = value", defaults spelt out, in an order of their own
}

// Clock is a node's CLOCK_BOOTTIME.
type Clock struct {
	Boottime time.Duration `json:"boottime_ns"`
}

// Flushed is what becomes of a node's instances that are to be flushed.
type Flushed struct {
	Serving []string `json:"serving"` // hold VIPs, and took flush_all: what was stored before is gone, or was being read just then
	Proving []string `json:"proving"` // are flushed and proved anew, once they are quiet

	Failed []FlushFailure `json:"failed,omitempty"` // hold VIPs, and did not take flush_all
}

// FlushFailure is an instance that was not emptied.
type FlushFailure struct {
	Address string `json:"address"`
	Error   string `json:"error"`
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
	FailRefused        Failure = "refused"         // the agent will not do it, for a reason that the text says
	FailUnreached      Failure = "unreached"       // the agent that was asked does not reach the node that it is about
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
