package agent

import (
	"context"
	"encoding/hex"
	"time"

	"memvip/agent/control"
)

// answer serves the control socket.
func (a *agent) answer(ctx context.Context, r control.Request) control.Response {
	switch r.Command {
	case control.CommandStatus:
		status, err := a.loop.ask(ctx)
		if err != nil {
			return control.Fail(control.FailStopping, "%v", err)
		}
		a.addCounts(status.Counted)
		return control.Reply(control.Build(status, a.facts()))
	default:
		return control.Fail(control.FailUnknownCommand, "unknown command %q", r.Command)
	}
}

// facts collects what a report has beyond the machine's own status.
func (a *agent) facts() control.Facts {
	digest := a.config.Digest()
	f := control.Facts{
		Now: time.Now(), Started: a.started, Build: Version(),
		Cluster: a.config.Cluster.Name, ConfigPath: a.config.Path, ConfigDigest: hex.EncodeToString(digest[:]),
		Lease: a.lease(), Detector: a.detector(), Counters: a.gossip.Stats(),
		Addresses: a.loop.addresses.up(),
	}
	for _, v := range a.config.VIPs {
		name := nameOf(v)
		f.VIPs = append(f.VIPs, control.VIPFacts{
			Name: name, Prefix: v.Prefix, Interface: a.places[name].Link, Instance: v.Instance.String(),
			Failback: failbackOf(v.Failback),
		})
	}
	for _, m := range a.gossip.Members() {
		f.Members = append(f.Members, control.Member{Name: m.Name, Address: m.Addr.String(), Alive: m.Alive})
	}
	return f
}

// addCounts adds what loop and addresses count to what the machine does.
func (a *agent) addCounts(counted map[string]int) {
	l, v := &a.loop.counts, a.manager.Counts()
	for name, n := range map[string]uint64{
		"loop_steps": l.steps.Load(), "loop_slowest_us": uint64(l.slowest.Load()) / 1000,
		"events_dropped": a.loop.queue.dropped.Load(), "log_lines_repeated": a.diary.repeats.Load(),
		"messages_sent": l.sends.Load(), "messages_not_sent": l.sendFailed.Load(),
		"saves": l.saves.Load(), "saves_failed": l.saveFailed.Load(),
		"announcements": v.Announced, "announcements_failed": v.AnnounceFailed, "announcements_withheld": v.Withheld,
		"addresses_refreshed": v.Refreshed, "addresses_restored": v.Restored, "addresses_too_late": v.TooLate,
		"fence_restored":    v.FenceRestored,
		"sockets_destroyed": v.Destroyed, "claims_of_others": v.Claims, "claims_of_others_lost": v.ClaimsLost,
	} {
		counted[name] = int(n)
	}
}

// up returns the addresses that are on this node's links by its own doing, by name.
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
