package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"memvip/agent/control"
)

// Agent is the agent that is asked. It passes on what is about another node.
type Agent interface {
	// Status returns a node's report; "": that of the agent itself.
	Status(ctx context.Context, node string) (control.Report, error)
	// Ask sends a request and reads its answer into body.
	Ask(ctx context.Context, r control.Request, body any) error
}

// Session is one command being carried through.
type Session struct {
	Agent Agent
	Say   func(line string) // progress and outcome, a line each
	Poll  time.Duration     // between two looks at what becomes of it; 0: 100 ms
}

const pollDefault = 100 * time.Millisecond

// RefusedError is a command that would not do what is wanted. Nothing was changed.
type RefusedError struct{ Text, Hint string }

func (e *RefusedError) Error() string { return e.Text }

func refuse(hint, format string, args ...any) error {
	return &RefusedError{Text: fmt.Sprintf(format, args...), Hint: hint}
}

// UnfinishedError is a command that was taken up and had not come to its end when the time was over, or nobody wanted to
// wait any longer. It goes on.
type UnfinishedError struct {
	Waits       string // for what, in words
	Interrupted bool   // nobody wanted to wait any longer
}

func (e *UnfinishedError) Error() string {
	if e.Interrupted {
		return "interrupted, and not finished: " + e.Waits
	}
	return "not finished in time: " + e.Waits
}

// ask sends a request to a node.
func (s *Session) ask(ctx context.Context, node string, r control.Request, body any) error {
	r.Node = node
	err := s.Agent.Ask(ctx, r, body)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return &UnfinishedError{Waits: "whether it was taken up is not known", Interrupted: true}
	}
	return err
}

// await looks at a node's report again and again until it is done, and says what is waited for whenever that
// changes. A report that cannot be had now may be had later.
func (s *Session) await(ctx context.Context, node string, look func(control.Report) (done bool, waits string)) error {
	every := s.Poll
	if every == 0 {
		every = pollDefault
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	said := ""
	for {
		waits := ""
		report, err := s.Agent.Status(ctx, node)
		if err == nil {
			done := false
			if done, waits = look(report); done {
				return nil
			}
		} else {
			waits = err.Error()
		}
		if ctx.Err() == nil && waits != said {
			said = waits
			s.Say("waiting: " + waits)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return &UnfinishedError{Waits: said, Interrupted: errors.Is(ctx.Err(), context.Canceled)}
		}
	}
}

// findVIP returns a VIP of a report, or says which there are.
func findVIP(r control.Report, address string) (control.VIP, error) {
	if v, ok := r.FindVIP(address); ok {
		return v, nil
	}
	return control.VIP{}, refuse("", "no VIP %s is configured; there are %s", address, strings.Join(r.VIPNames(), ", "))
}

// findNode returns a node of a report, or says which there are.
func findNode(r control.Report, name string) (control.Node, error) {
	if n, ok := r.FindNode(name); ok {
		return n, nil
	}
	return control.Node{}, refuse("", "no node %s is configured; there are %s", name, strings.Join(r.NodeNames(), ", "))
}

// partOf returns a node's part in a VIP, by its own word.
func partOf(n control.Node, address string) control.NodeVIP {
	if i := slices.IndexFunc(n.VIPs, func(v control.NodeVIP) bool { return v.Address == address }); i >= 0 {
		return n.VIPs[i]
	}
	return control.NodeVIP{Address: address}
}

// canTake reports whether a node could serve a VIP right away.
func canTake(v control.VIP, node string) bool {
	return slices.ContainsFunc(v.Candidates, func(c control.Candidate) bool { return c.Node == node && c.Clean })
}

// obstacle says why a node cannot serve a VIP right away.
func obstacle(n control.Node, address string) string {
	p := partOf(n, address)
	switch {
	case n.Silent:
		return n.Name + " is not heard"
	case p.StandingText != "":
		return p.StandingText
	case p.Cache == control.CacheTainted || p.Cache == control.CacheWarm:
		return "memcached on " + n.Name + " is not proved to hold no old values of it"
	case !n.Quorate:
		return n.Name + " hears no majority of the voters"
	}
	return n.Name + " may not take it (" + string(p.Cache) + ")"
}
