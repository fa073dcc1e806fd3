package operate

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"memvip/agent/control"
)

// keyRound is one operator's turn at the keys: nobody else changes them before it ends.
type keyRound struct {
	KeySurvey
	s       *Session
	ticket  string
	names   []string // all configured nodes
	without []string
	busy    string // who else has the turn, as a node says; "" for nobody
}

// withTurn has work done in a turn, if every node that it needs has answered and is fit for a change.
func (s *Session) withTurn(ctx context.Context, p KeyPlan, work func(*keyRound) error) error {
	return s.turn(ctx, func(r *keyRound) error {
		for _, node := range p.Without {
			if err := r.known(node); err != nil {
				return err
			}
		}
		r.without = p.Without
		if err := r.complete(); err != nil {
			return err
		}
		return work(r)
	})
}

func (s *Session) turn(ctx context.Context, work func(*keyRound) error) error {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	r, err := s.lookAtKeys(ctx, hex.EncodeToString(id[:]))
	if err != nil {
		return err
	}
	defer r.leave(ctx)
	return work(r)
}

func (s *Session) lookAtKeys(ctx context.Context, ticket string) (*keyRound, error) {
	report, err := s.Agent.Status(ctx, "")
	if err != nil {
		return nil, err
	}
	r := &keyRound{s: s, ticket: ticket, names: report.NodeNames(), KeySurvey: KeySurvey{Asked: report.Node}}
	r.look(ctx)
	return r, nil
}

// look asks all nodes at once, but for those that are known to be missing and may be: to wait for them again would only
// take its time.
func (r *keyRound) look(ctx context.Context) {
	missed := maps.Clone(r.Missing)
	maps.DeleteFunc(missed, func(node, _ string) bool { return !r.mayMiss(node) })
	names := slices.DeleteFunc(slices.Clone(r.names), func(node string) bool { return missed[node] != "" })
	r.Nodes, r.Missing, r.busy = nil, map[string]string{}, ""
	maps.Copy(r.Missing, missed)
	for node, a := range r.each(ctx, names, func(ctx context.Context, node string) (control.NodeKeys, error) {
		return r.ask(ctx, node, control.KeysRequest{Action: control.KeysList})
	}) {
		if u, ok := errors.AsType[*control.Unreached](a.err); ok && u.Failure == control.FailRefused {
			r.busy = u.Words()
		}
		if a.err != nil {
			r.Missing[node] = keyTrouble(node, a.err)
			continue
		}
		r.Nodes = append(r.Nodes, a.keys)
	}
	slices.SortFunc(r.Nodes, func(a, b control.NodeKeys) int { return strings.Compare(a.Node, b.Node) })
}

type keyAnswer struct {
	keys control.NodeKeys
	err  error
}

func (r *keyRound) each(ctx context.Context, nodes []string, do func(context.Context, string) (control.NodeKeys, error)) map[string]keyAnswer {
	var mu sync.Mutex
	var doing sync.WaitGroup
	out := map[string]keyAnswer{}
	for _, node := range nodes {
		doing.Go(func() {
			keys, err := do(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			out[node] = keyAnswer{keys, err}
		})
	}
	doing.Wait()
	return out
}

func (r *keyRound) ask(ctx context.Context, node string, q control.KeysRequest) (control.NodeKeys, error) {
	q.Ticket = r.ticket
	var answer control.NodeKeys
	err := r.s.ask(ctx, node, control.Request{Command: control.CommandKeys, Keys: q}, &answer)
	return answer, err
}

// leave gives the turn back; who does not hear of it waits for its end.
func (r *keyRound) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leavePatience)
	defer cancel()
	var there []string
	for _, n := range r.Nodes {
		there = append(there, n.Node)
	}
	r.each(ctx, there, func(ctx context.Context, node string) (control.NodeKeys, error) {
		return r.ask(ctx, node, control.KeysRequest{Action: control.KeysDone})
	})
}

const leavePatience = 2 * time.Second

// keyTrouble says why a node did not do what it was asked for.
func keyTrouble(node string, err error) string {
	u, ok := errors.AsType[*control.Unreached](err)
	switch {
	case ok && u.Failure == control.FailUnknownCommand:
		return "the agent on " + node + " is older and knows nothing of several keys: upgrade it first"
	case ok:
		return u.Words()
	}
	return err.Error()
}

func (r *keyRound) known(node string) error {
	if !slices.Contains(r.names, node) {
		return refuse("", "no node %s is configured; there are %s", node, strings.Join(r.names, ", "))
	}
	return nil
}

func (r *keyRound) node(name string) (control.NodeKeys, bool) {
	for _, n := range r.Nodes {
		if n.Node == name {
			return n, true
		}
	}
	return control.NodeKeys{}, false
}

// mayMiss reports whether a node need not answer.
func (r *keyRound) mayMiss(node string) bool {
	here, _ := r.node(r.Asked)
	return slices.Contains(r.without, node) || slices.Contains(here.VotersOff, node)
}

// complete refuses to change anything while a node is missing, or its file and its agent do not say the same.
func (r *keyRound) complete() error {
	if r.busy != "" {
		return refuse("", "%s", r.busy)
	}
	for _, node := range slices.Sorted(maps.Keys(r.Missing)) {
		if !r.mayMiss(node) {
			return refuse(missingHint(node), "%s is missing: %s", node, r.Missing[node])
		}
	}
	for _, n := range r.Nodes {
		for _, other := range n.Nodes {
			if !slices.Contains(r.names, other) {
				return refuse("agentctl status; every host needs the same configuration",
					"%s knows a node %s, which is none in the configuration of %s", n.Node, other, r.Asked)
			}
		}
		switch {
		case n.FileTrouble != "":
			return refuse("put a good file there: a copy of another host's", "%s: %s", n.Node, n.FileTrouble)
		case !n.UpToDate():
			return refuse("agentctl keys reload "+n.Node+" has the agent take up the file", "the key file of %s has %s, its agent uses %s", n.Node, listed(n.File), listed(n.InUse()))
		}
	}
	return nil
}

func missingHint(node string) string {
	return fmt.Sprintf("the same again when %s answers; or --without %s, if its agent will not run before the key file of another host is copied there", node, node)
}

// reached are the nodes that answered.
func (r *keyRound) reached() []string {
	var list []string
	for _, n := range r.Nodes {
		list = append(list, n.Node)
	}
	return list
}

// beside are the keys that any node has beside one.
func (r *keyRound) beside(key string) []string {
	others := map[string]bool{}
	for _, n := range r.Nodes {
		for _, f := range n.InUse() {
			others[f] = true
		}
	}
	delete(others, key)
	return slices.Sorted(maps.Keys(others))
}

func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// goesOn says how a rotation is gone on with that stopped on its way.
func (r *keyRound) goesOn(err error, key string) error {
	again := "then: agentctl keys rotate --to " + key
	for _, node := range r.without {
		again += " --without " + node
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return &PartialError{Text: refused.Text, Hint: hints(refused.Hint, again)}
	}
	if partial, ok := errors.AsType[*PartialError](err); ok {
		return &PartialError{Text: partial.Text, Hint: hints(partial.Hint, again)}
	}
	return err
}

func hints(one, other string) string {
	if one == "" {
		return other
	}
	return one + "; " + other
}
