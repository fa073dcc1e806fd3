package health

import "fmt"

// Reason says why an instance is down, or what is noteworthy about one that is up. The set is closed.
type Reason int

// The reasons. ReasonFull and ReasonLogin are not death: they only ever come with an instance that is up.
const (
	// ReasonNone comes with an instance that is up and has nothing to note.
	ReasonNone Reason = iota
	// ReasonExited: the process ended, says the kernel: its process connector, or /proc.
	ReasonExited
	// ReasonClosed: the kept-open connection ended and nobody listens any more, somebody else answers now, or new
	// connections end unanswered.
	ReasonClosed
	// ReasonRefused: a connect was refused.
	ReasonRefused
	// ReasonTimeout: the kept-open connection got no answer in time, several times in a row.
	ReasonTimeout
	// ReasonWorkerStuck: fresh connections stay unanswered while the kept-open one is fine.
	ReasonWorkerStuck
	// ReasonBadReply: something answers, but not as memcached does.
	ReasonBadReply
	// ReasonNoRoute: the address cannot be reached from this host.
	ReasonNoRoute
	// ReasonIO: any other failure of a socket, such as this process being out of file descriptors.
	ReasonIO
	// ReasonFull: the server has no connection left for us. A live main thread says so.
	ReasonFull
	// ReasonLogin: the server wants a login before it obeys. That too is a live answer.
	ReasonLogin
)

// String returns the reason as one lower-case word, fit for logs and status.
func (r Reason) String() string {
	switch r {
	case ReasonNone:
		return "none"
	case ReasonExited:
		return "exited"
	case ReasonClosed:
		return "closed"
	case ReasonRefused:
		return "refused"
	case ReasonTimeout:
		return "timeout"
	case ReasonWorkerStuck:
		return "worker_stuck"
	case ReasonBadReply:
		return "bad_reply"
	case ReasonNoRoute:
		return "no_route"
	case ReasonIO:
		return "io"
	case ReasonFull:
		return "full"
	case ReasonLogin:
		return "login"
	}
	return fmt.Sprintf("reason(%d)", int(r))
}

// gone tells the reasons that say there is no such process any more from those that say it does not do its work.
func (r Reason) gone() bool {
	return r == ReasonExited || r == ReasonClosed || r == ReasonRefused
}
