package control

import (
	"slices"
	"time"

	"memvip/agent/core"
)

// silentAfterLeast and silentLeases say when a node counts as gone for the report: a voter is told of
// every node several times in a lease, the others by gossip once a second, or less often in large clusters.
const (
	silentAfterLeast = 3 * time.Second
	silentLeases     = 2
)

// view is a status and its facts, with the questions that every part of a report asks of them.
type view struct {
	core.Status
	facts Facts
}

func (w view) self(name string) bool { return name == w.Node }

// configured reports whether a node is one of the configuration's.
func (w view) configured(name string) bool {
	return slices.ContainsFunc(w.Nodes, func(n core.NodeStatus) bool { return n.Name == name })
}

// node returns what is known of a node.
func (w view) node(name string) core.NodeStatus {
	i := slices.IndexFunc(w.Nodes, func(n core.NodeStatus) bool { return n.Name == name })
	if i < 0 {
		return core.NodeStatus{Name: name}
	}
	return w.Nodes[i]
}

// voting reports whether the reporting node is told of every node several times in a lease.
func (w view) voting() bool {
	return slices.ContainsFunc(w.Voters, func(v core.VoterStatus) bool { return v.Name == w.Node })
}

// silent reports whether a node was never heard, or not for so long that it counts as gone.
func (w view) silent(n core.NodeStatus) bool {
	after := max(silentAfterLeast, 2*core.PublishEvery(len(w.Nodes), len(w.Voters)))
	if w.voting() && w.facts.Lease > 0 {
		after = silentLeases * w.facts.Lease
	}
	return !w.self(n.Name) && (!n.Heard || n.Ago > after && !w.heardBySome(n.Name))
}

// heardBySome reports whether a node that was asked hears another from itself. It is not gone then, though its
// state comes here late, by way of others.
func (w view) heardBySome(name string) bool {
	return slices.ContainsFunc(w.facts.Views, func(v View) bool { return w.heardWithin(v, name, silentLeases*w.facts.Lease) })
}

// heardWithin reports whether claims of a node came to the one that was asked, so long ago or later.
func (w view) heardWithin(v View, name string, d time.Duration) bool {
	ago, ever := v.Claimed[name]
	return ever && ago < d
}

// ClaimedOf is what a node's view says of the claims that arrive, which come several times in a lease; nil of one that is
// no voter, or has not listened for long enough that it would mean something if none came.
func ClaimedOf(s core.Status, listening, lease time.Duration) map[string]time.Duration {
	if !(view{Status: s}).voting() || listening < deafLeases*lease {
		return nil
	}
	ago := map[string]time.Duration{}
	for _, n := range s.Nodes {
		if n.Claimed {
			ago[n.Name] = n.ClaimedAgo
		}
	}
	return ago
}

// answering reports whether a voter answered within one lease, as the machine counts a quorum.
func (w view) answering(v core.VoterStatus) bool { return v.Heard && v.Ago < w.facts.Lease }

// part returns a node's own word on its part in a VIP.
func part(n core.NodeStatus, name core.Name) (core.VIPState, bool) {
	for _, v := range n.State.VIPs {
		if v.Name == name {
			return v, true
		}
	}
	return core.VIPState{}, false
}

// instance returns the memcached that would serve a VIP on a node, as the node told.
func (w view) instance(n core.NodeStatus, name core.Name) core.InstanceState {
	address := w.facts.vip(name).Instance
	for _, in := range n.State.Instances {
		if in.Address == address {
			return in
		}
	}
	if len(n.State.Instances) == 1 {
		return n.State.Instances[0]
	}
	return core.InstanceState{Address: address}
}

// sharing returns the other VIPs that a node holds on the instance of one.
func (w view) sharing(n core.NodeStatus, name core.Name) []string {
	address := w.instance(n, name).Address
	var held []string
	for _, v := range n.State.VIPs {
		if v.Name != name && v.Role != core.Idle && w.instance(n, v.Name).Address == address {
			held = append(held, string(v.Name))
		}
	}
	return held
}

// cache says what a node's memcached may hold of a VIP.
func (w view) cache(n core.NodeStatus, v core.VIPState) Cache {
	switch {
	case v.Standing == core.Excluded || v.Standing == core.NoInstance || n.State.Witness:
		return CacheNone
	case v.Role == core.Taking || v.Role == core.Holding || v.Role == core.Dropping:
		return CacheServing
	case v.Clean:
		return CacheClean
	case v.Served.Known():
		return CacheWarm
	case !w.instance(n, v.Name).Up:
		return CacheUnknown
	}
	return CacheTainted
}

// standing says in words why a node may not take a VIP, with what it told about the cause.
func (w view) standing(n core.NodeStatus, v core.VIPState) phrase {
	in := w.instance(n, v.Name)
	detail := ""
	switch v.Standing {
	case core.InstanceDown, core.Unprovable:
		detail = instanceWords(in.Reason)
	case core.ConnectionsLeft:
		detail = in.Trouble
	case core.DiskBroken:
		detail = n.State.DiskError
	case core.ForeignHost:
		detail = v.Conflict
	default: // the standing says it all
	}
	return standingWords(v.Standing, n.Name, detail)
}

// taint says why a node's memcached is not proved clean for a VIP.
func (w view) taint(n core.NodeStatus, name core.Name) string {
	in := w.instance(n, name)
	return taintWords(flushWords(in.Stage, in.Trouble), w.sharing(n, name))
}
