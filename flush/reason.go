package flush

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"memvip/flush/memcached"
)

// Reason is why an instance was not flushed, proved, verified, drained or restarted.
type Reason int

// The reasons. The zero value is none of them.
const (
	_ Reason = iota
	// ReasonStopped means that the caller's context was cancelled.
	ReasonStopped
	// ReasonTimeout means no answer in time, or the caller's deadline.
	ReasonTimeout
	// ReasonUnreachable means that the connection was refused, or ended.
	ReasonUnreachable
	// ReasonFull means that the server has no connection to spare. It is alive.
	ReasonFull
	// ReasonLogin means that the server wants a login (-Y).
	ReasonLogin
	// ReasonFlushRefused means that flush_all is switched off (-F).
	ReasonFlushRefused
	// ReasonBadReply means an answer that no known memcached gives.
	ReasonBadReply
	// ReasonUnquiet means that clients use the instance directly: a counter that only they move has moved.
	ReasonUnquiet
	// ReasonConnectionsLeft means that the process may still execute what it received on a service address.
	ReasonConnectionsLeft
	// ReasonUnseen means that the process's listeners are not in this network namespace, so that connections which
	// wait to be accepted cannot be seen.
	ReasonUnseen
	// ReasonNotEmpty means that items are left after the time a flush may take.
	ReasonNotEmpty
	// ReasonRestarted means another process, or another life of it, than the one that was looked at before.
	ReasonRestarted
	// ReasonDelayedFlush means that a flush_all with a delay is pending.
	ReasonDelayedFlush
	// ReasonFlushedAgain means that somebody else flushed: the boundary is not the certificate's.
	ReasonFlushedAgain
	// ReasonItemsChanged means that items were stored since the proof.
	ReasonItemsChanged
	// ReasonRestartFailed means that the restart command is missing, or failed.
	ReasonRestartFailed
)

var reasonNames = [...]string{
	ReasonStopped:         "stopped",
	ReasonTimeout:         "timeout",
	ReasonUnreachable:     "unreachable",
	ReasonFull:            "full",
	ReasonLogin:           "login",
	ReasonFlushRefused:    "flush_refused",
	ReasonBadReply:        "bad_reply",
	ReasonUnquiet:         "unquiet",
	ReasonConnectionsLeft: "connections_left",
	ReasonUnseen:          "unseen",
	ReasonNotEmpty:        "not_empty",
	ReasonRestarted:       "restarted",
	ReasonDelayedFlush:    "delayed_flush",
	ReasonFlushedAgain:    "flushed_again",
	ReasonItemsChanged:    "items_changed",
	ReasonRestartFailed:   "restart_failed",
}

func (r Reason) String() string {
	if r > 0 && int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", int(r))
}

// Refusal is the error of every function here.
type Refusal struct {
	Reason Reason
	Addr   netip.AddrPort // the instance; zero for Restart, which speaks to none
	Detail string         // in words, such as "cmd_get went from 10 to 42"
	Err    error          // the cause, if it was an error
}

func (r *Refusal) Error() string {
	if !r.Addr.IsValid() {
		return "flush: " + r.Detail
	}
	return fmt.Sprintf("flush: %s: %s", r.Addr, r.Detail)
}

func (r *Refusal) Unwrap() error { return r.Err }

// failed turns an error of the conversation into a Refusal.
func failed(addr netip.AddrPort, err error) *Refusal {
	detail := strings.TrimPrefix(err.Error(), "memcached: "+addr.String()+": ")
	return &Refusal{Reason: reasonFor(err), Addr: addr, Detail: detail, Err: err}
}

func reasonFor(err error) Reason {
	if kind, answered := replyKind(err); answered {
		return reasonForKind(kind)
	}
	switch {
	case errors.Is(err, memcached.ErrFormat):
		return ReasonBadReply
	case errors.Is(err, context.Canceled):
		return ReasonStopped
	case errors.Is(err, context.DeadlineExceeded):
		return ReasonTimeout
	}
	return ReasonUnreachable
}

// replyKind tells whether err is a complete answer, and of which kind.
func replyKind(err error) (kind memcached.Kind, answered bool) {
	var reply *memcached.ReplyError
	if !errors.As(err, &reply) {
		return memcached.KindOther, false
	}
	return reply.Kind(), true
}

func reasonForKind(kind memcached.Kind) Reason {
	switch kind {
	case memcached.KindFull:
		return ReasonFull
	case memcached.KindLogin:
		return ReasonLogin
	case memcached.KindRefused:
		return ReasonFlushRefused
	case memcached.KindBusy, memcached.KindNoCrawler, memcached.KindOther:
		return ReasonBadReply
	}
	return ReasonBadReply
}

// Detail is what a refusal says beyond its reason, and of any other error its text.
func Detail(err error) string {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal.Detail
	}
	return err.Error()
}
