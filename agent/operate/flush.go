package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"memvip/agent/control"
)

// Flush empties every memcached of a node: one that serves VIPs at once and without proof, so that its clients miss; any
// other with proof, which takes some seconds of quiet.
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
	if len(flushed.Proving) == 0 {
		return nil
	}
	err = s.await(ctx, node, func(r control.Report) (bool, string) {
		n, _ := findNode(r, node)
		for _, in := range n.Instances {
			if slices.Contains(flushed.Proving, in.Address) && !in.Up {
				return false, fmt.Sprintf("memcached %s on %s is down: %s", in.Address, node, in.Reason)
			}
		}
		for _, v := range r.VIPs {
			if slices.Contains(flushed.Proving, v.Instance) && partOf(n, v.Address).Cache == control.CacheTainted {
				return false, fmt.Sprintf("memcached %s on %s: %s", v.Instance, node, flushStage(n, v.Instance))
			}
		}
		return true, ""
	})
	if err != nil {
		return err
	}
	s.Say(fmt.Sprintf("memcached %s on %s is flushed, and proved clean", strings.Join(flushed.Proving, ", "), node))
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
