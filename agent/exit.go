package agent

import (
	"errors"

	"memvip/agent/control"
	"memvip/configs"
	"memvip/vip"
)

// The exit codes of memvip-agent. None is 2, with which the Go runtime ends a process for a panic that nobody caught or for
// SIGABRT from systemd's watchdog: a restart helps then, and the unit knows by the code that it does not after the last two,
// which have the numbers of sysexits.h.
const (
	ExitOK         = 0
	ExitFailure    = 1  // it failed while running, a fault of ours included, or could not start for a reason of its own
	ExitRunning    = 3  // another agent has the runtime directory
	ExitCapability = 4  // the process may not do what an agent has to
	ExitPlace      = 5  // the host is none of the nodes by its name, or has no interface for a VIP or the node itself, yet
	ExitUsage      = 64 // the command line makes no sense
	ExitConfig     = 78 // the configuration will not do
)

// UsageError is a command line that makes no sense.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the command line.
func (e *UsageError) Unwrap() error { return e.Err }

// PlaceError says which VIPs of the configuration no interface of this host fits, and whether none has the node's own
// address, as they are now: one that is on its way up may yet. Or the host's name, as it is now, is no node's. It is made of
// *configs.Error.
type PlaceError struct{ Err error }

func (e *PlaceError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with each address, or with the name.
func (e *PlaceError) Unwrap() error { return e.Err }

// ExitCode returns the exit code for an error of Run, Check, Cleanup or EnterNetns, and a hint on what to do, if
// there is one.
func ExitCode(err error) (code int, hint string) {
	if err == nil {
		return ExitOK, ""
	}
	if _, ok := errors.AsType[*PanicError](err); ok {
		return ExitFailure, "this is a fault in memvip: please report the log's last lines"
	}
	if _, ok := errors.AsType[*UsageError](err); ok {
		return ExitUsage, "see memvip-agent --help"
	}
	if _, ok := errors.AsType[*PlaceError](err); ok {
		return ExitPlace, ""
	}
	if errors.Is(err, configs.ErrUnset) {
		return ExitConfig, "see man memvip-agent.toml, and examples in /usr/share/doc/memvip"
	}
	if _, ok := errors.AsType[*configs.Error](err); ok {
		return ExitConfig, ""
	}
	if _, ok := errors.AsType[*RunningError](err); ok || errors.Is(err, control.ErrInUse) {
		return ExitRunning, "each agent on a host needs a --runtime-dir of its own"
	}
	if errors.Is(err, vip.ErrCapability) {
		return ExitCapability, "memvip-agent needs CAP_NET_ADMIN and CAP_NET_RAW: run it as root or by its unit"
	}
	return ExitFailure, ""
}
