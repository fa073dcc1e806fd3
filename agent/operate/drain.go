package operate

import (
	"context"
	"slices"
	"strings"

	"memvip/agent/control"
)

// Drain has a node give its VIPs away and take none. Unless forced, it refuses where that would leave a VIP unserved.
func (s *Session) Drain(ctx context.Context, node string, force bool) error {
	before, err := s.Agent.Status(ctx, "")
	if err != nil {
		return err
	}
	n, err := findNode(before, node)
	if err != nil {
		return err
	}
	held := heldBy(before, node)
	if n.Draining && len(held) == 0 {
		s.Say(node + " is drained already")
		return nil
	}
	for _, v := range held {
		if able := slices.ContainsFunc(v.Candidates, func(c control.Candidate) bool { return c.Node != node && c.Clean }); !able && !force {
			return refuse("--force drains it all the same", "to drain %s would leave %s unserved: %s", node, v.Address, obstacles(before, v, node))
		}
	}
	if err := s.ask(ctx, node, control.Request{Command: control.CommandDrain, On: true}, &struct{}{}); err != nil {
		return err
	}
	err = s.await(ctx, "", func(r control.Report) (bool, string) {
		if n, _ := findNode(r, node); !n.Draining {
			return false, node + " has not said that it drains"
		}
		for _, v := range heldBy(r, node) {
			return false, node + " still has " + v.Address
		}
		for _, was := range held {
			if v, _ := findVIP(r, was.Address); !v.Served && !force {
				return false, v.Address + " is not served: " + v.Why
			}
		}
		return true, ""
	})
	if err != nil {
		return err
	}
	s.sayPlaces(ctx, held)
	s.Say(node + " is drained; agentctl undrain " + node + " when it may serve again")
	return nil
}

// Undrain lets a node take VIPs again.
func (s *Session) Undrain(ctx context.Context, node string) error {
	before, err := s.Agent.Status(ctx, "")
	if err != nil {
		return err
	}
	n, err := findNode(before, node)
	if err != nil {
		return err
	}
	if !n.Draining && !n.Silent {
		s.Say(node + " is not being drained")
		return nil
	}
	if err := s.ask(ctx, node, control.Request{Command: control.CommandDrain}, &struct{}{}); err != nil {
		return err
	}
	err = s.await(ctx, "", func(r control.Report) (bool, string) {
		n, _ := findNode(r, node)
		return !n.Draining && !n.Silent, node + " has not said that it is no longer drained"
	})
	if err != nil {
		return err
	}
	s.Say(node + " may take VIPs again; its own come home as agentctl status says")
	return nil
}

// heldBy lists the VIPs that a node has, or is about to have.
func heldBy(r control.Report, node string) []control.VIP {
	return slices.DeleteFunc(slices.Clone(r.VIPs), func(v control.VIP) bool { return v.Holder != node })
}

// obstacles says of every other node why it cannot serve a VIP.
func obstacles(r control.Report, v control.VIP, but string) string {
	var all []string
	for _, n := range r.Nodes {
		if n.Name != but && !n.Witness {
			all = append(all, obstacle(n, v.Address))
		}
	}
	return strings.Join(all, "; ")
}

// sayPlaces says where VIPs are now.
func (s *Session) sayPlaces(ctx context.Context, vips []control.VIP) {
	r, err := s.Agent.Status(ctx, "")
	if err != nil {
		return
	}
	for _, was := range vips {
		switch v, _ := findVIP(r, was.Address); {
		case v.Served:
			s.Say(v.Address + " is at " + v.Holder)
		default:
			s.Say(was.Address + " is NOT SERVED: " + v.Why)
		}
	}
}
