package agent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/configs"
	"memvip/vip"
)

// answerStatus reports what this node knows, and on request what the others see.
func (a *agent) answerStatus(ctx context.Context, r control.Request) control.Response {
	var views []control.View
	var reach map[string]control.Reach
	if r.Views {
		asking := newCrew(a.loop.failed)
		asking.start(func() { reach = a.reach(ctx) })
		views = a.views(ctx)
		asking.wait()
	}
	a.disk.look(ctx)
	report, err := a.report(ctx, views, reach)
	if err != nil {
		return control.Fail(control.FailStopping, "%v", err)
	}
	return control.Reply(report)
}

// report is what this node knows, with what the others see if they were asked. The facts come after the status: an
// address is up before the machine knows.
func (a *agent) report(ctx context.Context, views []control.View, reach map[string]control.Reach) (control.Report, error) {
	status, err := a.loop.ask(ctx)
	if err != nil {
		return control.Report{}, err
	}
	a.addCounts(status.Counted)
	facts := a.facts()
	facts.Views, facts.Reach = views, reach
	return control.Build(status, facts), nil
}

// viewPatience is how long other nodes' views are waited for: a status is wanted now.
const viewPatience = 600 * time.Millisecond

// views asks all nodes what they see, this one too. Those that do not answer have none.
func (a *agent) views(ctx context.Context) []control.View {
	ctx, cancel := context.WithTimeout(ctx, viewPatience)
	defer cancel()
	names := a.nodeNames()
	all := make([]control.View, len(names))
	asking := newCrew(a.loop.failed)
	for i, node := range names {
		asking.start(func() {
			resp := control.Response{}
			if node == a.self.Name {
				resp = a.answerView(ctx)
			} else if heard, err := a.askNode(ctx, control.Request{Command: control.CommandView, Node: node}); err == nil {
				resp = heard
			}
			_ = json.Unmarshal(resp.Body, &all[i]) // one that is none stays without a name
			if all[i].Node != node {
				all[i] = control.View{}
			}
		})
	}
	asking.wait()
	return slices.DeleteFunc(all, func(v control.View) bool { return v.Node == "" })
}

// answerView says who holds each VIP by what this node has heard, and who answers for it on its links.
func (a *agent) answerView(ctx context.Context) control.Response {
	status, err := a.loop.ask(ctx)
	if err != nil {
		return control.Fail(control.FailStopping, "%v", err)
	}
	managed := a.managed()
	up := a.loop.addresses.up()
	view := control.View{
		Node: a.self.Name, VIPs: make([]control.VIPSight, len(status.VIPs)), Claimed: control.ClaimedOf(status, time.Since(a.started), a.lease()),
		Keys: configs.Fingerprints(a.heldKeys()), Refused: a.refusedBefore(),
	}
	asking := newCrew(a.loop.failed)
	for i, v := range status.VIPs {
		s := &view.VIPs[i]
		*s = control.VIPSight{Address: string(v.Name), Holder: v.Holder, Epoch: v.Epoch, MACs: []string{}}
		place, ok := a.places[v.Name]
		if !ok || !a.asksFor(v, status.Nodes) || !place.Prefix.Addr().Is4() || slices.ContainsFunc(up, func(f control.AddressFacts) bool { return f.Name == v.Name }) {
			continue
		}
		asking.start(func() {
			macs, err := vip.WhoHas(ctx, place, managed)
			if err != nil {
				s.Trouble = err.Error()
				return
			}
			s.Asked, s.MACs = true, append(s.MACs, macs...)
		})
	}
	asking.wait()
	return control.Reply(view)
}

// askersMax is how many nodes ask who has an address when somebody wants to see it: each question is a broadcast.
const askersMax = 5

// asksFor reports whether this node is one of those that ask for a VIP's address: of the nodes that may hold it and are
// there, the first by a mark that is alike for all and another for each VIP.
func (a *agent) asksFor(v core.VIPStatus, nodes []core.NodeStatus) bool {
	i := slices.IndexFunc(a.config.VIPs, func(c configs.VIP) bool { return nameOf(c) == v.Name })
	if i < 0 {
		return false
	}
	there := func(node string) bool {
		return node == a.self.Name || slices.ContainsFunc(nodes, func(n core.NodeStatus) bool { return n.Name == node && n.Heard && n.Ago < heardLately })
	}
	before, asks := 0, false
	own := askersMark(a.self.Name, v.Name)
	for _, node := range a.config.MayHold(a.config.VIPs[i]) {
		switch {
		case node == a.self.Name:
			asks = true
		case there(node) && askersMark(node, v.Name) < own:
			before++
		}
	}
	return asks && before < askersMax
}

// heardLately is how long ago a node may have been heard that counts as being there.
const heardLately = 3 * time.Second

func askersMark(node string, name core.Name) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %s", name, node) // never fails
	return h.Sum64()
}

// facts collects what a report has beyond the machine's own status.
func (a *agent) facts() control.Facts {
	digest := a.config.Digest()
	f := control.Facts{
		Now: time.Now(), Started: a.started, Build: Version(),
		Cluster: a.config.Cluster.Name, ConfigPath: a.config.Path, ConfigDigest: hex.EncodeToString(digest[:]), OnDisk: a.disk.seen(),
		KeyPath: a.config.Cluster.KeyFile, Port: a.config.Cluster.Port, Sealed: map[string]control.SealedFacts{},
		Lease: a.lease(), Detector: a.detector(), Counters: a.gossip.Stats(),
		Addresses: a.loop.addresses.up(), Clients: a.clients.known(a.places), MetricsTrouble: a.metricsTrouble(),
	}
	if r := a.refusedBefore(); r != nil {
		f.Refused = map[string]control.Refused{a.self.Name: *r}
	}
	c := a.config
	f.Settings = control.Settings{
		Lease: c.Cluster.Lease, Drift: c.Cluster.Drift,
		Interval: c.Health.Interval, Deadline: c.Health.Deadline, Fall: c.Health.Fall,
	}
	for _, v := range a.config.VIPs {
		name := nameOf(v)
		f.VIPs = append(f.VIPs, control.VIPFacts{
			Name: name, Prefix: single(v.Prefix.Addr()), Interface: a.places[name].Link, Instance: v.Instance.String(),
			Failback: failbackOf(v.Failback), Eligible: len(c.MayHold(v)), Unit: c.Unit(v), RestartCommand: v.RestartCommand,
		})
	}
	for node, s := range a.gossip.Sealed() {
		f.Sealed[node] = control.SealedFacts(s)
	}
	for _, m := range a.gossip.Members() {
		f.Members = append(f.Members, control.Member{Name: m.Name, Address: m.Addr.String(), Alive: m.Alive})
	}
	return f
}

// addCounts adds what loop and addresses count to what the machine does.
func (a *agent) addCounts(counted map[string]int) {
	l, v, h := &a.loop.counts, a.manager.Counts(), a.hooks.Snapshot().Total()
	for name, n := range map[string]uint64{
		"loop_steps": l.steps.Load(), "loop_slowest_us": uint64(l.slowest.Load()) / 1000,
		"events_dropped": a.loop.queue.dropped.Load(), "log_lines_repeated": a.diary.repeats.Load(),
		"messages_sent": l.sends.Load(), "messages_not_sent": l.sendFailed.Load(),
		"saves": l.saves.Load(), "saves_failed": l.saveFailed.Load(),
		"announcements": v.Announced, "announcements_failed": v.AnnounceFailed, "announcements_withheld": v.Withheld,
		"addresses_refreshed": v.Refreshed, "addresses_restored": v.Restored, "addresses_too_late": v.TooLate,
		"fence_restored": v.FenceRestored, "fence_closed": v.FenceClosed,
		"announcements_directed": v.Directed, "recalls_sent": v.Tickled, "recalls_failed": v.RecallFailed,
		"sockets_destroyed": v.Destroyed, "claims_of_others": v.Claims, "claims_of_others_lost": v.ClaimsLost,
		"hooks_run": h.Run, "hooks_failed": h.Failed, "hooks_timed_out": h.TimedOut, "hooks_dropped": h.Dropped,
	} {
		counted[name] = int(n)
	}
	a.clients.addCounts(counted)
}

// up returns the addresses that are on this node's links by its own doing, by name, from any goroutine.
func (a *addresses) up() []control.AddressFacts {
	var list []control.AddressFacts
	for _, name := range a.names {
		w := a.workers[name]
		if since := w.since.Load(); since != nil {
			list = append(list, control.AddressFacts{
				Name: name, Prefix: w.address.Prefix, Interface: w.address.Link, Since: *since,
			})
		}
	}
	return list
}
