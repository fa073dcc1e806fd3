package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memvip/agent/control"
)

// Knocker asks a VIP for a sign of life as a client would, again and again.
type Knocker interface {
	// Start begins to knock. It fails if nobody answers now.
	Start(ctx context.Context) error
	// LongestGap returns the longest time without an answer since Start, or since it was last asked.
	LongestGap() time.Duration
	// Stop ends it.
	Stop()
}

// Drill fails a VIP over to another node and brings it home, in a cluster that is well, and says what that cost. What
// it finds in the way it leaves as it is.
func (s *Session) Drill(ctx context.Context, address string, knock Knocker) error {
	r, err := s.Agent.Status(ctx, "")
	if err != nil {
		return err
	}
	v, err := findVIP(r, address)
	if err != nil {
		return err
	}
	to, err := fitForDrill(r, v)
	if err != nil {
		return err
	}
	if err := knock.Start(ctx); err != nil {
		return refuse("--port names the port that clients use", "nobody answers at %s before the drill: %v", address, err)
	}
	defer knock.Stop()
	s.Say(fmt.Sprintf("%s: from its home %s to %s", address, v.Home, to))
	begun := time.Now()
	if err := s.give(ctx, r, v, to); err != nil {
		return leftAway(address, err)
	}
	away := time.Since(begun)
	gapAway := knock.LongestGap()
	s.Say(fmt.Sprintf("%s: served by %s, longest time without an answer %s; home again", address, to, millis(gapAway)))
	if err := s.bringHome(ctx, v); err != nil {
		return leftAway(address, err)
	}
	total := time.Since(begun)
	s.Say(fmt.Sprintf("%s: at home, longest time without an answer %s", address, millis(knock.LongestGap())))
	s.Say(fmt.Sprintf("the drill took %.1f s, %.1f s of it until %s had been seen to serve", total.Seconds(), away.Seconds(), to))
	return nil
}

// leftAway adds to a drill's end before its time what it may leave to do.
func leftAway(address string, err error) error {
	if left, ok := errors.AsType[*UnfinishedError](err); ok {
		left.Waits += "; agentctl handback " + address + " brings it home"
	}
	return err
}

// fitForDrill chooses the node that is to stand in, or says why there is to be no drill.
func fitForDrill(r control.Report, v control.VIP) (to string, err error) {
	for _, p := range r.Problems {
		if p.Severity != control.SeverityNote {
			return "", refuse("agentctl status says the rest", "no drill while the cluster is not well: %s", p.Text)
		}
	}
	if !v.AtHome {
		return "", refuse("agentctl handback "+v.Address, "%s is not at home, so that it could not be brought back to where it was", v.Address)
	}
	clean := 0
	for _, c := range v.Candidates {
		if c.Node == v.Home || !c.Clean {
			continue
		}
		if clean++; to == "" {
			to = c.Node
		}
	}
	if clean == 0 {
		return "", refuse("", "no node could stand in: %s", obstacles(r, v, v.Home))
	}
	return to, nil
}

// millis is a gap as people compare them.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
