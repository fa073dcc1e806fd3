package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"memvip/agent/control"
)

// Questions to several nodes: all by way of this host's agent, all at once, and what one does not answer is missing
// without holding up the rest.

// within bounds all that a command asks by its timeout, however many questions that takes.
func (a asked) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.client.Timeout)
}

// left is the same agent with no more patience than the context leaves: the agent has to give up on a node before it
// is itself given up.
func (a asked) left(ctx context.Context) asked {
	if end, ok := ctx.Deadline(); ok {
		a.client.Timeout = min(a.client.Timeout, max(time.Millisecond, time.Until(end).Round(10*time.Millisecond)))
	}
	return a
}

// askEach asks nodes the same. It returns what they answered, and why the others did not, by name.
func askEach[T any](ctx context.Context, agent asked, nodes []string, r control.Request) (answers map[string]T, unreached map[string]string) {
	answers, unreached = map[string]T{}, map[string]string{}
	agent = agent.left(ctx)
	var asking sync.WaitGroup
	var mu sync.Mutex
	for _, node := range nodes {
		r := r
		r.Node = node
		asking.Go(func() {
			var answer T
			err := agent.ask(ctx, r, &answer)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				unreached[node] = reason(err)
				return
			}
			answers[node] = answer
		})
	}
	asking.Wait()
	return answers, unreached
}

// nobody is the error of a question that no node answered.
func (a asked) nobody(unreached map[string]string) error {
	var said []string
	for _, node := range slices.Sorted(maps.Keys(unreached)) {
		said = append(said, node+": "+unreached[node])
	}
	return &control.Unreached{Path: a.client.Path, Reason: control.ReasonFailed, Detail: "no node answered: " + strings.Join(said, "; ")}
}

// reason is why there was no answer, without the socket's path.
func reason(err error) string {
	if u, ok := errors.AsType[*control.Unreached](err); ok {
		return u.Words()
	}
	return err.Error()
}

// knownVIP returns the VIP that is meant by an argument.
func knownVIP(r control.Report, what, name string) (control.VIP, error) {
	v, ok := r.FindVIP(name)
	if !ok {
		return v, usage("%s: no VIP %q is configured; there are %s", what, name, named(r.VIPNames()))
	}
	return v, nil
}

// knownNodes demands that all names are those of nodes.
func knownNodes(r control.Report, what string, names ...string) error {
	for _, name := range names {
		if _, ok := r.FindNode(name); !ok {
			return usage("%s: no node %q is configured; there are %s", what, name, named(r.NodeNames()))
		}
	}
	return nil
}

func named(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// atOnce does several things at the same time.
func atOnce(things ...func()) {
	var doing sync.WaitGroup
	for _, do := range things {
		doing.Go(do)
	}
	doing.Wait()
}
