package lab

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Agent is the built memvip-agent on one host.
type Agent struct {
	daemon
	host *Host
	ctl  string

	// Inside starts the agent in the host's namespace instead of having it enter by --netns. The kernel tells
	// nobody there of memcached's death, so the agent must notice it some other way. A change counts from the
	// next start.
	Inside bool

	// Config stands in for the configuration that the lab's agents share; "" for none. A change counts from the next start.
	Config string
}

func newAgent(h *Host) *Agent {
	o := h.lab.options
	a := &Agent{host: h, ctl: o.AgentCtl}
	a.daemon = daemon{
		name:    h.Name + ": agent",
		thread:  a.thread,
		logPath: filepath.Join(h.dir, "agent.log"),
		env:     o.AgentEnv,
		dir:     a.RuntimeDir(),
		argv: func() []string {
			own := append(slices.Clone(h.lab.chrt), o.Agent, "--config", cmp.Or(a.Config, h.lab.config), "--node", h.Name, "--runtime-dir", a.RuntimeDir())
			if !a.Inside {
				own = append(own, "--netns", h.Netns())
			}
			return append(own, o.AgentArgs...)
		},
	}
	return a
}

// thread is where the agent is started. Usually that is outside, and --netns takes it into the host's
// namespace: the kernel tells only those outside of a process's end.
func (a *Agent) thread() *thread {
	if a.Inside {
		return a.host.thread()
	}
	return a.host.lab.outside()
}

// RuntimeDir holds the agent's state file and its control socket.
func (a *Agent) RuntimeDir() string { return filepath.Join(a.host.dir, "run") }

// Socket is the control socket.
func (a *Agent) Socket() string { return filepath.Join(a.RuntimeDir(), "agent.sock") }

// SetEnv adds variables, as NAME=value, to the environment of the agent's next lives, in place of those added before.
func (a *Agent) SetEnv(variables ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.env = append(slices.Clone(a.host.lab.options.AgentEnv), variables...)
}

// LoseState empties the runtime directory, as a power cut does. The agent must not be running.
func (a *Agent) LoseState() error {
	if a.PID() != 0 {
		return fmt.Errorf("lab: %s: lose state: still running", a.name)
	}
	entries, err := os.ReadDir(a.RuntimeDir())
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(a.RuntimeDir(), e.Name())))
	}
	if err != nil {
		return fmt.Errorf("lab: %s: lose state: %w", a.name, err)
	}
	return nil
}

// Upgrade asks the agent to go on as the program that lies where it was started from. The process stays the same.
func (a *Agent) Upgrade() (Instant, error) {
	at, _, err := a.signal(unix.SIGUSR2, true)
	return at, err
}

// Status is what `agentctl status --json` said.
type Status struct {
	ExitCode int // 0 all well, 1 degraded, 2 a VIP is not served, 3 no agent reached
	Fields   map[string]any
	Raw      []byte
}

// Status asks the agent. An exit code other than 0 is part of the answer and no error, as long as the
// output can be read.
func (a *Agent) Status(ctx context.Context) (Status, error) {
	out, code, err := a.Ctl(ctx, "status", "--json")
	if err != nil {
		return Status{}, err
	}
	s := Status{ExitCode: code, Raw: out}
	if err := json.Unmarshal(out, &s.Fields); err != nil {
		return s, fmt.Errorf("lab: %s: status (exit code %d): %w", a.name, code, err)
	}
	return s, nil
}

// Ctl runs agentctl against this agent and returns what it wrote and its exit code. It is an error only if
// agentctl could not run to its end.
func (a *Agent) Ctl(ctx context.Context, args ...string) (stdout []byte, code int, err error) {
	cmd := exec.CommandContext(ctx, a.ctl, append([]string{"--socket", a.Socket()}, args...)...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		if out.Len() == 0 {
			return complaint.Bytes(), exit.ExitCode(), nil
		}
		return out.Bytes(), exit.ExitCode(), nil
	}
	if err != nil {
		return nil, -1, fmt.Errorf("lab: %s: agentctl %v: %w: %s", a.name, args, err, complaint.Bytes())
	}
	return out.Bytes(), 0, nil
}
