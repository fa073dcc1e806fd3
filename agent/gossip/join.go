package gossip

import (
	"context"
	"math/rand/v2"
	"time"
)

// keepJoined makes a peer a member whenever it is not one, until ctx ends: at the start, when the
// peer comes back, and after a partition so long that both sides have forgotten each other.
func (g *Gossip) keepJoined(ctx context.Context, name string) {
	wait := joinFirst
	for {
		if g.isMember(name) {
			wait = joinFirst
		} else if g.join(name) {
			wait = joinFirst // it answered: if it still is no member, it first has to refute its own death
		} else {
			wait = min(2*wait, joinLast)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait - rand.N(wait/4)):
		}
	}
}

// join exchanges states with a peer. A failure is counted, and worth no more than a debug line: the
// peer may be off for days.
func (g *Gossip) join(name string) bool {
	g.tally.joins.Add(1)
	_, err := g.list.Join([]string{name + "/" + g.address(name).Addr})
	if err == nil {
		return true
	}
	g.tally.joinFailed.Add(1)
	g.opts.Logger.WithField("peer", name).WithError(err).Debug("gossip join failed")
	return false
}

func (g *Gossip) isMember(name string) bool {
	for _, n := range g.list.Members() {
		if n.Name == name {
			return true
		}
	}
	return false
}
