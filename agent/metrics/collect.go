package metrics

import (
	"log"
	"runtime/debug"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"memvip/agent/control"
	"memvip/agent/core"
)

// collector turns a look and memcached's figures into metrics whenever somebody asks.
type collector struct {
	looks    *looker
	caches   []*cache
	complain *log.Logger
}

// Describe lists what Collect may tell.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range families {
		if !f.counted {
			out <- f.desc
		}
	}
}

// Collect looks at the agent and asks memcached side by side, so that it takes no longer than the more patient of them.
// It runs on a goroutine of the library's, where a fault of ours would end the process with its addresses up.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	defer func() {
		if fault := recover(); fault != nil {
			c.complain.Printf("panic: %v\n%s", fault, debug.Stack())
		}
	}()
	figures := make([]chan figures, len(c.caches))
	for i, cache := range c.caches {
		figures[i] = newFigures(cache)
	}
	look, age := c.looks.newest()
	one := collection{out: out}
	one.put(stateAge, age.Seconds())
	if look != nil {
		one.look = *look
		one.collect()
	}
	for i, cache := range c.caches {
		one.collectCache(cache.name, <-figures[i])
	}
}

// collection is one answer in the making.
type collection struct {
	look Look
	self control.Node
	out  chan<- prometheus.Metric
}

func (c *collection) put(f *Family, value float64, labels ...string) {
	c.out <- f.sample(value, labels...)
}

// flag tells a yes or no.
func (c *collection) flag(f *Family, yes bool, labels ...string) {
	value := 0.0
	if yes {
		value = 1
	}
	c.put(f, value, labels...)
}

func (c *collection) collect() {
	r := &c.look.Report
	if i := slices.IndexFunc(r.Nodes, func(n control.Node) bool { return n.Self }); i >= 0 {
		c.self = r.Nodes[i]
	}
	c.collectAgent(r)
	c.collectQuorum(r)
	for _, v := range r.VIPs {
		c.collectVIP(v)
		c.collectLease(v)
		c.collectPart(v.Address)
	}
	for _, in := range c.self.Instances {
		c.collectInstance(in)
	}
	c.collectCounted()
}

// digestLen is how much of a configuration's digest is told: as much as nodes tell each other.
const digestLen = 12

func (c *collection) collectAgent(r *control.Report) {
	c.put(started, float64(r.Started.UnixMilli())/1e3)
	c.put(buildInfo, 1, r.Build)
	c.put(configInfo, 1, r.Config.Digest[:min(digestLen, len(r.Config.Digest))])
	c.put(verdict, float64(r.Verdict))
	c.flag(draining, c.self.Draining)
	c.flag(paused, r.Pause.On)
	c.flag(unsaved, c.self.DiskError != "")
	c.put(fence, 1, c.self.Fence)
	c.put(detector, 1, r.Detector)
	for fault, ms := range map[string]int64{"host_lost": r.Bounds.HostLost, "hung": r.Bounds.Hung, "exited": r.Bounds.Exited, "planned": r.Bounds.Planned} {
		c.put(outageOf, seconds(ms), fault)
	}
	type kind struct {
		code     control.ProblemCode
		severity control.Severity
	}
	listed := map[kind]int{}
	for _, p := range r.Problems {
		listed[kind{p.Code, p.Severity}]++
	}
	for k, n := range listed {
		c.put(problems, float64(n), string(k.code), string(k.severity))
	}
}

func (c *collection) collectQuorum(r *control.Report) {
	c.flag(quorate, r.Quorum.Quorate)
	c.put(voters, float64(r.Quorum.Voters))
	c.put(votersNeeded, float64(r.Quorum.Needed))
	c.put(votersAnswering, float64(r.Quorum.Answering))
	for _, v := range r.Voters {
		c.flag(voterAnswering, v.Answering, v.Name)
		if v.Heard {
			c.put(voterAnswerAge, seconds(v.AnsweredAge), v.Name)
			c.put(voterRoundTrip, float64(v.RoundTrip)/1e6, v.Name)
		}
	}
	for _, n := range r.Nodes {
		if n.Self {
			continue
		}
		c.flag(peerSilent, n.Silent, n.Name)
		if n.Heard {
			c.put(peerHeardAge, seconds(n.HeardAge), n.Name)
		}
	}
}

// collectVIP tells where a VIP is, as this node knows it.
func (c *collection) collectVIP(v control.VIP) {
	c.flag(vipServed, v.Served, v.Address)
	c.flag(vipAtHome, v.AtHome, v.Address)
	c.put(vipEpoch, float64(v.Epoch), v.Address)
	c.put(vipHeldFor, seconds(v.Held), v.Address)
	c.put(vipClients, float64(v.Clients), v.Address)
	if v.Holder != "" {
		c.put(vipHolder, 1, v.Address, v.Holder)
	}
	if !v.AtHome {
		c.put(vipWhy, 1, v.Address, string(v.WhyCode))
	}
	able := 0
	for _, x := range v.Candidates {
		if x.Clean && x.Node != v.Holder {
			able++
		}
	}
	c.put(candidates, float64(able), v.Address)
}

// collectLease tells what this node holds a VIP by.
func (c *collection) collectLease(v control.VIP) {
	left, grants := int64(0), 0
	if v.Lease != nil {
		left, grants = v.Lease.Left, len(v.Lease.GrantedBy)
	}
	c.put(leaseLeft, seconds(left), v.Address)
	c.put(leaseGrants, float64(grants), v.Address)
	c.put(fenceOpen, c.look.Fenced[v.Address].Seconds(), v.Address)
	c.flag(vipUp, slices.ContainsFunc(c.look.Report.Addresses, func(a control.Address) bool { return a.Prefix == v.Prefix && v.Prefix != "" }), v.Address)
}

// collectPart tells this node's part in a VIP.
func (c *collection) collectPart(address string) {
	i := slices.IndexFunc(c.self.VIPs, func(v control.NodeVIP) bool { return v.Address == address })
	if i < 0 {
		return
	}
	own := c.self.VIPs[i]
	c.flag(vipHeld, own.Role == core.Holding.String(), address)
	c.put(vipRole, 1, address, own.Role)
	c.put(vipCache, 1, address, string(own.Cache))
	if own.Standing != core.Eligible.String() {
		c.put(vipStanding, 1, address, own.Standing)
	}
}

func (c *collection) collectInstance(in control.Instance) {
	if in.Known {
		c.flag(memcachedUp, in.Up, in.Address)
	}
	if in.ReasonCode != "" {
		c.put(memcachedWhy, 1, in.Address, in.ReasonCode)
	}
	c.put(flushStage, 1, in.Address, in.FlushStage)
}

// seconds is a duration of a report, which has milliseconds.
func seconds(ms int64) float64 { return float64(ms) / 1e3 }
