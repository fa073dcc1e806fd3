package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"memvip/agent/control"
)

const (
	socketDefault  = "/run/memvip/" + control.SocketName
	socketVariable = "AGENTCTL_SOCKET"
	timeoutDefault = 3 * time.Second
)

// asked is the agent that a command talks to: that of this host, which passes on what is about another.
type asked struct{ client control.Client }

// addFlags adds those by which the agent is found.
func (a *asked) addFlags(cmd *cobra.Command, timeout time.Duration) {
	cmd.Flags().StringVar(&a.client.Path, "socket", cmp.Or(os.Getenv(socketVariable), socketDefault),
		"the agent's control socket `PATH`; the variable "+socketVariable+" names another default")
	cmd.Flags().DurationVar(&a.client.Timeout, "timeout", timeout, "give up after `DURATION`")
}

// check refuses what no agent could be asked with.
func (a *asked) check() error {
	if a.client.Timeout <= 0 {
		return usage("--timeout %s: expected more than 0s", a.client.Timeout)
	}
	return nil
}

// ask sends a request and reads its answer into body. The error is a *control.Unreached.
func (a *asked) ask(ctx context.Context, r control.Request, body any) error {
	r.Version, r.Patience = control.ProtocolVersion, a.client.Timeout.Milliseconds()
	resp, err := a.client.Do(ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(resp.Body, body); err != nil {
		return &control.Unreached{Path: a.client.Path, Reason: control.ReasonBadReply, Detail: fmt.Sprintf("the answer cannot be read: %v", err), Err: err}
	}
	return nil
}
