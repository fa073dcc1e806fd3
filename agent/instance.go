package agent

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/flush"
	"memvip/health"
)

// listenersAttempts is how often a process is asked where it listens: nothing but a hint for people rests on it.
const listenersAttempts = 4

// inspectRetry is the pause before the figures of an instance are asked for again.
const inspectRetry = 250 * time.Millisecond

// instances holds the conversations with this node's memcacheds. Methods that say so may be called from any goroutine; the
// rest belong to the loop's, and none of those waits: each conversation is a goroutine.
type instances struct {
	shared
	port    instancePort
	noticed func(instance string, r health.Report) // that it is down, before the machine is; may be nil
	all     map[string]*instance
	running *crew
	ctx     context.Context
	cancel  context.CancelFunc
}

// instance is one memcached.
type instance struct {
	*instances
	name    string // as the machine knows it
	address netip.AddrPort
	command []string // restart_command; nil if there is none
	vips    []netip.Addr

	// reported counts the reports of its health. What was learnt under an earlier one is void.
	reported atomic.Uint64
	figures  atomic.Pointer[flush.Figures] // newest of the present process; nil if unknown
	inspect  lifetime                      // of the inspection under way; belongs to the prober's goroutine

	quiet      atomic.Pointer[flush.Figures] // what the newest watch ended with; nil before
	restarting atomic.Bool

	// The rest belongs to the loop's goroutine.
	watched  uint64 // counts watches; what is heard of an earlier one is void
	watching lifetime
}

// lifetime ends one conversation; its zero value does nothing.
type lifetime struct{ cancel context.CancelFunc }

func (l *lifetime) end() {
	if l.cancel != nil {
		l.cancel()
	}
}

// begin ends the former conversation and returns the next one's context.
func (l *lifetime) begin(parent context.Context) context.Context {
	l.end()
	ctx, cancel := context.WithCancel(parent)
	l.cancel = cancel
	return ctx
}

// instanceConfig is where a memcached is, how it is restarted, and what it may serve on this node.
type instanceConfig struct {
	address netip.AddrPort
	command []string
	vips    []netip.Addr
}

func newInstances(s shared, port instancePort, configured map[string]instanceConfig) *instances {
	all := &instances{shared: s, port: port, all: map[string]*instance{}, running: newCrew(s.failed)}
	all.ctx, all.cancel = context.WithCancel(context.Background())
	for name, c := range configured {
		all.all[name] = &instance{instances: all, name: name, address: c.address, command: c.command, vips: c.vips}
	}
	return all
}

// names lists the instances, sorted, from any goroutine.
func (s *instances) names() []string { return slices.Sorted(maps.Keys(s.all)) }

// empty has an instance forget everything, which needs no proof: clients of what it serves only miss. It may be called
// from any goroutine.
func (s *instances) empty(ctx context.Context, name string) error {
	return s.port.Empty(ctx, s.all[name].address)
}

// finish breaks off what is under way and waits for it, from any goroutine when the loop has ended.
func (s *instances) finish() {
	s.cancel()
	s.running.wait()
}

// health takes a prober's report, on the prober's goroutine. A death goes straight to the machine.
func (in *instance) health(r health.Report) {
	number := in.reported.Add(1)
	if !r.Up {
		if in.noticed != nil {
			in.noticed(in.name, r)
		}
		in.queue.put(core.InstanceWentDown{Instance: in.name, Reason: r.Reason.String(), Dead: r.Reason == health.ReasonExited})
		in.inspect.end()
		in.figures.Store(nil)
		return
	}
	ctx := in.inspect.begin(in.ctx)
	in.running.start(func() { in.introduce(ctx, number, r) })
}

// note says in a word what limits an instance that is up.
func note(r health.Reason) string {
	if r == health.ReasonNone {
		return ""
	}
	return r.String()
}

// introduce tells the machine that the instance is up, as soon as its figures are known, or that they
// cannot be had. It goes on until it has them, or the health changes.
func (in *instance) introduce(ctx context.Context, number uint64, r health.Report) {
	current := func() bool { return in.reported.Load() == number }
	told := false
	for ctx.Err() == nil {
		figures, err := in.port.Inspect(ctx, in.address)
		if err == nil {
			if current() {
				in.figures.Store(&figures)
			}
			up := in.up(figures, r)
			in.queue.putIf(up, current)
			if up.Note != "" {
				return // one word at a time
			}
			if up.Note = in.deaf(ctx); up.Note != "" {
				in.queue.putIf(up, current)
			}
			return
		}
		if up, ok := in.upWithout(err, r); ok && !told {
			told = true
			in.queue.putIf(up, current)
		}
		if reasonOf(err) != flush.ReasonStopped {
			in.diary.trouble(logrus.Fields{fieldInstance: in.name}, "figures not read", err)
		}
		pause(ctx, inspectRetry)
	}
}

// deaf says which VIPs the process takes no connections to; "" if there are none, or that cannot be told.
func (in *instance) deaf(ctx context.Context) string {
	for range listenersAttempts {
		if at, err := in.port.Listeners(ctx, in.address); err == nil {
			return unheard(in.vips, at)
		}
		pause(ctx, inspectRetry)
	}
	return ""
}

// unheard says which addresses none of the listeners takes connections to.
func unheard(vips []netip.Addr, at []netip.AddrPort) string {
	var missed []string
	for _, ip := range vips {
		if _, ok := flush.ListenerFor(ip, at); !ok {
			missed = append(missed, ip.String())
		}
	}
	if len(missed) == 0 {
		return ""
	}
	return control.NotListening + strings.Join(missed, ", ")
}

// up is what figures say to the machine, of the process that the report is of or of one that took its place.
func (in *instance) up(f flush.Figures, r health.Report) core.InstanceUp {
	ev := core.InstanceUp{Instance: in.name, Figures: proofOf(f), KeepsMemory: f.MemoryFile, Note: note(r.Reason), Conns: f.MaxConns}
	// Should another process have come since the report, it began later still.
	ev.Began = core.Instant(r.Began)
	if !f.FlushEnabled {
		ev.Unprovable = control.FlushOff
	}
	return ev
}

// upWithout is what the machine is told of a live instance whose figures cannot be had: those that were
// read earlier in the life of the same process still name it, but no longer say that it is empty.
func (in *instance) upWithout(err error, r health.Report) (ev core.InstanceUp, ok bool) {
	if known := in.figures.Load(); known != nil {
		ev = in.up(*known, r)
		ev.Figures.Restart = false
	} else {
		ev = core.InstanceUp{Instance: in.name, Note: note(r.Reason)}
	}
	switch reasonOf(err) {
	case flush.ReasonLogin:
		ev.Unprovable = control.WantsLogin
		return ev, true
	case flush.ReasonFull:
		if ev.Figures == (core.Proof{}) {
			ev.Unprovable = control.NoConnectionLeft
		}
		return ev, true
	default:
		return core.InstanceUp{}, false
	}
}

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reasonOf returns the closed reason of an error of the package flush; ReasonTimeout for any other.
func reasonOf(err error) flush.Reason {
	if refusal, ok := errors.AsType[*flush.Refusal](err); ok {
		return refusal.Reason
	}
	return flush.ReasonTimeout
}

// why puts an error of the package flush into words that fit beside the instance's name.
func why(err error) string {
	if refusal, ok := errors.AsType[*flush.Refusal](err); ok {
		return refusal.Reason.String() + ": " + refusal.Detail
	}
	return err.Error()
}

// voids reports whether a reason means that the figures are no longer those of the proof.
func voids(r flush.Reason) bool {
	switch r {
	case flush.ReasonRestarted, flush.ReasonFlushedAgain, flush.ReasonItemsChanged, flush.ReasonDelayedFlush,
		flush.ReasonNotEmpty:
		return true
	case flush.ReasonStopped, flush.ReasonTimeout, flush.ReasonUnreachable, flush.ReasonFull, flush.ReasonLogin,
		flush.ReasonFlushRefused, flush.ReasonBadReply, flush.ReasonUnquiet, flush.ReasonConnectionsLeft,
		flush.ReasonUnseen, flush.ReasonRestartFailed:
		return false
	}
	return false
}
