package main

import (
	"errors"
	"fmt"

	"memvip/agent/control"
	"memvip/agent/operate"
)

// The exit codes. The first three are the verdict of status.
const (
	exitOK       = int(control.AllWell)
	exitDegraded = int(control.Degraded) // also: a file that check refuses, a key that cannot be written
	exitNoAgent  = 3                     // no agent answered
	exitGoesOn   = 4                     // what was asked for had not come to its end in time, or everywhere
	exitUsage    = 64                    // the command line makes no sense
)

// toldError is an exit code whose reasons are in the output already.
type toldError interface {
	error
	exitCode() int
}

// verdictError carries a status that is not all well to the exit code.
type verdictError struct{ verdict control.Verdict }

func (e *verdictError) Error() string { return e.verdict.String() }

// exitError is a command whose output has said all there is to say.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }
func (e *exitError) exitCode() int { return e.code }

func (e *verdictError) exitCode() int { return int(e.verdict) }

// explain returns the exit code for an error, and what to do about it.
func explain(err error) (code int, hint string) {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage, "see agentctl --help, or agentctl COMMAND --help"
	}
	if u, ok := errors.AsType[*control.Unreached](err); ok {
		switch u.Failure {
		case control.FailRefused:
			return exitDegraded, ""
		case control.FailUnreached:
			return exitNoAgent, "on that host: agentctl status, systemctl status memvip-agent; agentctl doctor looks at the way there"
		default:
			return exitNoAgent, unreachedHint(u)
		}
	}
	if left, ok := errors.AsType[*operate.UnfinishedError](err); ok {
		if left.Interrupted {
			return exitGoesOn, "it may go on: agentctl status"
		}
		return exitGoesOn, "it goes on: agentctl status; or ask again with a longer --timeout"
	}
	if partial, ok := errors.AsType[*operate.PartialError](err); ok {
		return exitGoesOn, partial.Hint
	}
	if refused, ok := errors.AsType[*operate.RefusedError](err); ok {
		return exitDegraded, refused.Hint
	}
	return exitDegraded, ""
}

func unreachedHint(u *control.Unreached) string {
	switch u.Reason {
	case control.ReasonNoSocket:
		return "no agent runs here, or its runtime directory is another: systemctl status memvip-agent; or give --socket PATH"
	case control.ReasonNotSocket:
		return "--socket and AGENTCTL_SOCKET name the agent's control socket, DIR/agent.sock in its --runtime-dir"
	case control.ReasonRefused:
		return "the agent was killed or crashed: systemctl status memvip-agent; journalctl -u memvip-agent"
	case control.ReasonDenied:
		return "run agentctl as root, or as a member of the socket's group"
	case control.ReasonTimeout:
		return "the agent is frozen or starved, and its addresses move by themselves: ask another node; on this one see ps -C memvip-agent -o pid,stat,wchan"
	case control.ReasonBadReply, control.ReasonFailed:
		return "see that agentctl version and memvip-agent version agree, and journalctl -u memvip-agent"
	case control.ReasonIO:
	}
	return ""
}
