package control

import (
	"fmt"
	"slices"
	"time"

	"memvip/agent/core"
	"memvip/agent/layout"
)

// sighting is somebody else's claim of a VIP, as all nodes together have seen it.
type sighting struct {
	vip  core.Name
	mac  string
	node string        // the member whose MAC it is; "" for nobody's
	by   []string      // nodes that saw it
	bars bool          // one of them does not take the VIP for that reason
	ago  time.Duration // the newest time
}

// sightings joins what the nodes that are heard say of others on their VIPs, by VIP and MAC.
func (w view) sightings() []sighting {
	var out []sighting
	for _, v := range w.VIPs {
		for _, n := range w.Nodes {
			x, _ := part(n, v.Name)
			if x.Conflict == "" || w.silent(n) {
				continue
			}
			i := slices.IndexFunc(out, func(s sighting) bool { return s.vip == v.Name && s.mac == x.Conflict })
			if i < 0 {
				out = append(out, sighting{vip: v.Name, mac: x.Conflict, ago: x.ConflictAgo + n.Ago})
				i = len(out) - 1
			}
			s := &out[i]
			s.by, s.ago = append(s.by, n.Name), min(s.ago, x.ConflictAgo+n.Ago)
			s.bars = s.bars || x.Standing == core.ForeignHost
			if s.node == "" {
				s.node = x.ConflictNode
			}
		}
	}
	return out
}

// conflictProblems has one problem for each host that claims a VIP which is not its own.
func (w view) conflictProblems() []Problem {
	return each(w.sightings(), func(s sighting) Problem {
		what, hint := "", fmt.Sprintf("find that MAC in the switches' tables (bridge fdb show | grep %s), and on its host: ip address del %s dev INTERFACE", s.mac, s.vip)
		switch v := w.status(s.vip); {
		case s.node != "":
			what = fmt.Sprintf("is also claimed by %s, as %s", s.node, s.mac)
			hint = fmt.Sprintf("on %s: ip address show to %s", s.node, s.vip)
		case v.Holder != "" && v.Holding:
			what = fmt.Sprintf("is also claimed by %s, a host that is no member", s.mac)
		default:
			what = fmt.Sprintf("is claimed by %s, a host that is no member", s.mac)
			if s.bars {
				what += ", and not taken while that host is heard"
			}
		}
		p := degraded(ProblemConflict, s.by, hint, "%s %s (seen by %s, %s ago)", s.vip, what, list(s.by), layout.Span(s.ago))
		p.VIPs = []string{string(s.vip)}
		return p
	})
}

// status returns where a VIP is.
func (w view) status(name core.Name) core.VIPStatus {
	i := slices.IndexFunc(w.VIPs, func(v core.VIPStatus) bool { return v.Name == name })
	if i < 0 {
		return core.VIPStatus{Name: name}
	}
	return w.VIPs[i]
}
