package agent

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"memvip/agent/control"
	"memvip/configs"
	"memvip/vip"
)

// managed lists the addresses of all VIPs.
func (a *agent) managed() []netip.Addr {
	var list []netip.Addr
	for _, v := range a.config.VIPs {
		list = append(list, v.Prefix.Addr())
	}
	return list
}

// reach asks on the link whether the hosts of voters are there that do not answer: whether a host is, and not its
// agent, only its kernel can say. Hosts on other links, and by IPv6, are left out.
func (a *agent) reach(ctx context.Context) map[string]control.Reach {
	ctx, cancel := context.WithTimeout(ctx, viewPatience)
	defer cancel()
	out, missing := map[string]control.Reach{}, a.missing(ctx)
	links, err := hostLinks()
	if err != nil || len(missing) == 0 {
		return out
	}
	var mu sync.Mutex
	asking := newCrew(a.loop.failed)
	for _, m := range missing {
		place, ok := placeOn(links, a.self.Addr, m.Addr)
		if !ok {
			continue
		}
		asking.start(func() {
			macs, err := vip.WhoHas(ctx, place, a.managed())
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[m.Name] = control.ReachNothing
			if len(macs) > 0 {
				out[m.Name] = control.ReachAnswers
			}
		})
	}
	asking.wait()
	return out
}

// missing lists the nodes of which nothing was heard for a lease.
func (a *agent) missing(ctx context.Context) []configs.Member {
	status, err := a.loop.ask(ctx)
	if err != nil {
		return nil
	}
	heard := map[string]bool{a.self.Name: true}
	for _, n := range status.Nodes {
		heard[n.Name] = heard[n.Name] || n.Claimed && n.ClaimedAgo < a.lease()
	}
	return slices.DeleteFunc(a.config.AllNodes(), func(m configs.Member) bool { return heard[m.Name] })
}

// placeOn returns an IPv4 address on the link where this host has its own, if they share one.
func placeOn(links []configs.Link, own, other netip.Addr) (vip.Address, bool) {
	for _, l := range links {
		for _, p := range l.Prefixes {
			if p.Addr() == own && own.Is4() && p.Contains(other) {
				return vip.Address{Prefix: netip.PrefixFrom(other, other.BitLen()), Link: l.Name}, true
			}
		}
	}
	return vip.Address{}, false
}
