package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"memvip/agent/control"
)

// Flush empties every memcached of a node: one that serves VIPs at once and without proof; any other with proof, which takes
// some seconds of quiet. One that refuses is told of at the end, when the others are empty.
func (s *Session) Flush(ctx context.Context, node string) error {
	before, err := s.Agent.Status(ctx, "")
	if err != nil {
		return err
	}
	if _, err := findNode(before, node); err != nil {
		return err
	}
	var flushed control.Flushed
	if err := s.ask(ctx, node, control.Request{Command: control.CommandFlush}, &flushed); err != nil {
		return err
	}
	for _, in := range flushed.Serving {
		s.Say(fmt.Sprintf("memcached %s on %s was sent flush_all: what was stored before is gone; newer versions keep an item that was being read just then", in, node))
	}
	var failed []string
	for _, f := range flushed.Failed {
		failed = append(failed, f.Address)
		s.Say(fmt.Sprintf("memcached %s on %s did not take flush_all: %s", f.Address, node, f.Error))
	}
	if len(flushed.Proving) > 0 {
		if err := s.awaitProofs(ctx, node, flushed.Proving); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return &PartialError{
			Text: fmt.Sprintf("memcached %s on %s is not emptied", listed(failed), node),
			Hint: "agentctl explain " + node + "; the same again empties the others once more",
		}
	}
	return nil
}

// awaitProofs waits until instances of a node are proved clean, and says so.
func (s *Session) awaitProofs(ctx context.Context, node string, proving []string) error {
	err := s.await(ctx, node, func(r control.Report) (bool, string) {
		n, _ := findNode(r, node)
		for _, in := range n.Instances {
			if slices.Contains(proving, in.Address) && !in.Up {
				return false, fmt.Sprintf("memcached %s on %s is down: %s", in.Address, node, in.Reason)
			}
		}
		for _, v := range r.VIPs {
			if slices.Contains(proving, v.Instance) && partOf(n, v.Address).Cache == control.CacheTainted {
				return false, fmt.Sprintf("memcached %s on %s: %s", v.Instance, node, flushStage(n, v.Instance))
			}
		}
		return true, ""
	})
	if err != nil {
		return err
	}
	s.Say(fmt.Sprintf("memcached %s on %s is flushed, and proved clean", strings.Join(proving, ", "), node))
	return nil
}

func flushStage(n control.Node, instance string) string {
	for _, in := range n.Instances {
		if in.Address == instance && in.Flush != "" {
			return in.Flush
		}
	}
	return "its flush has not begun yet"
}
