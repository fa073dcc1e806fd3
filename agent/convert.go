package agent

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"

	"memvip/agent/core"
	"memvip/configs"
	"memvip/flush"
	"memvip/vip"
)

// proofOf is what an instance's figures say of it now. Restart: nothing is or ever was in this process.
func proofOf(f flush.Figures) core.Proof {
	return core.Proof{
		Incarnation: core.Incarnation{PID: f.PID, Start: f.Start},
		Oldest:      f.Oldest, TotalItems: f.TotalItems,
		Restart: f.EmptyAtStart() && !f.DelayedFlushPending(),
	}
}

func proofOfCertificate(c flush.Certificate) core.Proof {
	return core.Proof{
		Incarnation: core.Incarnation{PID: c.PID, Start: c.Start},
		Oldest:      c.Oldest, TotalItems: c.TotalItems,
	}
}

func certificateOf(p core.Proof) flush.Certificate {
	return flush.Certificate{PID: p.PID, Start: p.Start, Oldest: p.Oldest, TotalItems: p.TotalItems}
}

// nameOf is what the machine calls a VIP.
func nameOf(v configs.VIP) core.Name { return core.Name(v.Prefix.Addr().String()) }

// addressesOf is nameOf the other way. Every name that the machine has for a VIP is an address.
func addressesOf(names []core.Name) []netip.Addr {
	list := make([]netip.Addr, len(names))
	for i, n := range names {
		list[i] = netip.MustParseAddr(string(n))
	}
	return list
}

// digestBytes of a configuration's digest are told to the other nodes: enough to tell files apart.
const digestBytes = 8

// machineConfig is the configuration as the machine of one node wants it.
func machineConfig(c *configs.Config, self configs.Member, build, detector string) core.Config {
	m := core.Config{
		Node: self.Name, Build: build, Detector: detector, Witness: self.Witness,
		Lease: c.Cluster.Lease, DriftPPM: int64(c.Cluster.Drift * 1e6), Margin: core.MarginMin,
	}
	digest := c.Digest()
	m.Digest = hex.EncodeToString(digest[:digestBytes])
	m.VotersOff = c.Cluster.VotersOff
	m.Voters = votersOf(c)
	for _, n := range c.AllNodes() { // sorted too
		m.Nodes = append(m.Nodes, n.Name)
	}
	for _, v := range c.VIPs {
		m.VIPs = append(m.VIPs, core.VIP{
			Name: nameOf(v), Home: v.Home, Instance: v.Instance.String(), Candidates: v.Candidates,
			Failback: failbackOf(v.Failback), FailbackDelay: v.FailbackDelay, CanRestart: len(v.RestartCommand) > 0,
		})
	}
	return m
}

// votersOf lists the names of the voters, sorted.
func votersOf(c *configs.Config) []string {
	var names []string
	for _, v := range c.Cluster.Voters { // sorted there
		names = append(names, v.Name)
	}
	return names
}

func failbackOf(f configs.Failback) core.Failback {
	switch f {
	case configs.FailbackAuto:
		return core.FailbackAuto
	case configs.FailbackManual:
		return core.FailbackManual
	case configs.FailbackNever:
		return core.FailbackNever
	}
	panic("agent: unknown failback " + string(f)) // configs lets no other pass
}

// instancesOf returns the distinct instances that may ever serve a VIP on the node.
func instancesOf(c *configs.Config, node string) map[string]instanceConfig {
	all := map[string]instanceConfig{}
	for _, v := range c.Eligible(node) {
		in := all[v.Instance.String()]
		in.address, in.command, in.vips = v.Instance, v.RestartCommand, append(in.vips, v.Prefix.Addr())
		all[v.Instance.String()] = in
	}
	return all
}

// linksOf is how the package configs wants the links.
func linksOf(links []vip.Link) []configs.Link {
	list := make([]configs.Link, len(links))
	for i, l := range links {
		list[i] = configs.Link{Name: l.Name, Prefixes: l.Prefixes}
	}
	return list
}

// placesOf returns where the VIPs go that the node may ever hold. Each goes on its link by itself, whatever length it is
// written with: within the subnet of the host's own address one of the two would be the other's secondary, and gone with it.
func placesOf(c *configs.Config, node string, links []configs.Link) (map[core.Name]vip.Address, error) {
	fits, err := c.FitFor(node, links)
	if err != nil {
		return nil, &PlaceError{err}
	}
	places := map[core.Name]vip.Address{}
	for _, v := range c.Eligible(node) {
		places[nameOf(v)] = vip.Address{Prefix: single(v.Prefix.Addr()), Link: fits[v.Prefix.Addr()]}
	}
	return places, nil
}

func single(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }

// linksIn lists the links of places.
func linksIn(places map[core.Name]vip.Address) []string {
	names := map[string]bool{}
	for _, a := range places {
		names[a.Link] = true
	}
	return slices.Sorted(maps.Keys(names))
}
