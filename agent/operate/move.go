package operate

import (
	"context"
	"slices"

	"memvip/agent/control"
)

// Move gives a VIP to a node that can serve it right away. Away from a home that would have it back by itself it
// refuses, unless hand-backs are paused.
func (s *Session) Move(ctx context.Context, address, to string) error {
	r, v, err := s.findBoth(ctx, address, to)
	switch {
	case err != nil:
		return err
	case v.Holder == to && v.Served:
		s.Say(address + " is at " + to + " already")
		return nil
	case v.Failback == "auto" && !r.Pause.On && to != v.Home:
		return refuse("agentctl pause, then move it; or agentctl drain "+v.Home, "%s would go home to %s again by itself", address, v.Home)
	}
	if err := s.give(ctx, r, v, to); err != nil {
		return err
	}
	s.Say(address + " is at " + to)
	return nil
}

func (s *Session) findBoth(ctx context.Context, address, node string) (r control.Report, v control.VIP, err error) {
	if r, err = s.Agent.Status(ctx, ""); err != nil {
		return r, v, err
	}
	if v, err = findVIP(r, address); err != nil {
		return r, v, err
	}
	_, err = findNode(r, node)
	return r, v, err
}

// give has the holder give a VIP to a node, and waits until that one serves it.
func (s *Session) give(ctx context.Context, r control.Report, v control.VIP, to string) error {
	if !v.Served {
		return refuse("agentctl status says why", "%s is not served by any node that could give it away", v.Address)
	}
	if n, _ := findNode(r, to); !canTake(v, to) {
		return refuse("", "%s cannot serve %s now: %s", to, v.Address, obstacle(n, v.Address))
	}
	if err := s.ask(ctx, v.Holder, control.Request{Command: control.CommandMove, VIP: v.Address, To: to}, &struct{}{}); err != nil {
		return err
	}
	return s.await(ctx, "", func(r control.Report) (bool, string) {
		now, _ := findVIP(r, v.Address)
		if now.Holder == to && now.Served {
			return true, ""
		}
		return false, now.Address + placeWords(now)
	})
}

func placeWords(v control.VIP) string {
	switch {
	case v.Served:
		return " is at " + v.Holder
	case v.Holder != "":
		return " is on its way to " + v.Holder
	}
	return " is not served: " + v.Why
}

// Handback brings a VIP home, whatever its failback, its delay or a pause say. It waits for the home's flush.
func (s *Session) Handback(ctx context.Context, address string) error {
	r, err := s.Agent.Status(ctx, "")
	if err != nil {
		return err
	}
	v, err := findVIP(r, address)
	switch {
	case err != nil:
		return err
	case v.AtHome:
		s.Say(address + " is at its home " + v.Home + " already")
		return nil
	}
	if err := s.bringHome(ctx, v); err != nil {
		return err
	}
	s.Say(address + " is at its home " + v.Home)
	return nil
}

func (s *Session) bringHome(ctx context.Context, v control.VIP) error {
	if err := s.ask(ctx, v.Home, control.Request{Command: control.CommandHandback, VIP: v.Address}, &struct{}{}); err != nil {
		return err
	}
	return s.await(ctx, "", func(r control.Report) (bool, string) {
		now, _ := findVIP(r, v.Address)
		return now.AtHome, now.Why
	})
}

// Pause keeps VIPs of the whole cluster from going home unasked, or ends that.
func (s *Session) Pause(ctx context.Context, on bool) error {
	before, err := s.Agent.Status(ctx, "")
	if err != nil {
		return err
	}
	if err := s.ask(ctx, "", control.Request{Command: control.CommandPause, On: on}, &struct{}{}); err != nil {
		return err
	}
	err = s.await(ctx, "", func(r control.Report) (bool, string) {
		if i := slices.IndexFunc(r.Nodes, func(n control.Node) bool { return !n.Silent && n.Paused != on }); i >= 0 {
			return false, r.Nodes[i].Name + " has not said that it knows"
		}
		return r.Pause.On == on, "this node has not taken it up"
	})
	if err != nil {
		return err
	}
	for _, n := range before.Nodes {
		if n.Silent {
			s.Say(n.Name + " is not heard, and learns of it when it is back")
		}
	}
	if on {
		s.Say("hand-backs are paused: VIPs go home only by agentctl handback, until agentctl resume")
	} else {
		s.Say("hand-backs go on by themselves")
	}
	return nil
}
