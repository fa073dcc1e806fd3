package operate

import (
	"context"
	"errors"
	"fmt"

	"memvip/agent/control"
)

// Reload has a node's agent ("": that which is asked) read its configuration again. A file that will not do changes
// nothing, and the error says what is wrong with it.
func (s *Session) Reload(ctx context.Context, node string) error {
	before, err := s.Agent.Status(ctx, node)
	if err != nil {
		return err
	}
	node = before.Node
	if err := s.ask(ctx, node, control.Request{Command: control.CommandReload}, &struct{}{}); err != nil && !brokenOff(err) {
		return err
	}
	var after control.Report
	err = s.await(ctx, node, func(r control.Report) (bool, string) {
		after = r
		return r.Started.After(before.Started), "the agent on " + node + " goes on as it was"
	})
	if err != nil {
		return err
	}
	if after.Config.Digest == before.Config.Digest {
		s.Say(fmt.Sprintf("%s has read %s again: nothing in it is new", node, after.Config.Path))
	} else {
		s.Say(fmt.Sprintf("%s runs with %s as it is now", node, after.Config.Path))
	}
	for _, was := range before.VIPs {
		if v, err := findVIP(after, was.Address); err != nil {
			s.Say(was.Address + " is no longer configured")
		} else if was.Holder == node && was.Served && (v.Holder != node || v.Epoch != was.Epoch) {
			s.Say(v.Address + placeWords(v) + ", and was at " + node + " before")
		}
	}
	return nil
}

// brokenOff reports whether an agent may have begun to reload before it could say so.
func brokenOff(err error) bool {
	u, ok := errors.AsType[*control.Unreached](err)
	return ok && (u.Reason == control.ReasonBadReply || u.Reason == control.ReasonIO || u.Reason == control.ReasonRefused || u.Failure == control.FailStopping || u.Failure == control.FailUnreached)
}
