package main

import (
	"time"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/doctor"
	"memvip/agent/history"
)

// fakeAnswer is what an agent says that reports a situation: for itself, or passed on from another node. A silent node
// is not reached.
func fakeAnswer(report func() control.Report, r control.Request) control.Response {
	local := report()
	node := local.Node
	if r.Node != "" {
		node = r.Node
	}
	asked, ok := local.FindNode(node)
	switch {
	case !ok:
		return control.Fail(control.FailRefused, "no node %s is configured", node)
	case asked.Silent:
		return control.Fail(control.FailUnreached, "%s has not answered within 2.4s", node)
	}
	switch r.Command {
	case control.CommandStatus:
		return control.Reply(asSeenFrom(local, node))
	case control.CommandHistory:
		return control.Reply(r.History.Select(fakeHistory()[node]))
	case control.CommandTrace:
		return control.Reply(fakeTrace(local, node))
	case control.CommandDoctor:
		return control.Reply(fakeFindings(node))
	case control.CommandKeys:
		return fakeKeys(local, asked, r.Keys)
	default:
		return control.Fail(control.FailUnknownCommand, "unknown command %q", r.Command)
	}
}

// fakeKeys is what a node says of its gossip keys: one, unless the report has others. They cannot be changed.
func fakeKeys(report control.Report, n control.Node, q control.KeysRequest) control.Response {
	if q.Action != control.KeysList && q.Action != control.KeysDone {
		return control.Fail(control.FailRefused, "%s: keys are being changed by way of cache9: one operator at a time", n.Name)
	}
	said := control.NodeKeys{Node: n.Name, Path: "/etc/memvip/gossip.key", File: n.Keys, Nodes: report.NodeNames()}
	if len(said.File) == 0 {
		said.File = []string{"5eed0001"}
	}
	for _, f := range said.File {
		said.Keys = append(said.Keys, control.HeldKey{Fingerprint: f})
	}
	return control.Reply(said)
}

// rotating: well, and cache3 was not reached by the second stage of a rotation.
func rotating() control.Facts {
	f := facts()
	f.Views = []control.View{
		{Node: "cache1", Keys: []string{"5eed0002", "5eed0001"}}, {Node: "cache2", Keys: []string{"5eed0002", "5eed0001"}},
		{Node: "cache3", Keys: []string{"5eed0001", "5eed0002"}},
	}
	return f
}

// asSeenFrom is the report with another node as the reporting one, which knows its own lease.
func asSeenFrom(r control.Report, node string) control.Report {
	r.Node = node
	for i := range r.Nodes {
		r.Nodes[i].Self = r.Nodes[i].Name == node
	}
	for i := range r.VIPs {
		if r.VIPs[i].Holder == node {
			r.VIPs[i].Lease = &control.Lease{Term: "7/" + node + "/1", Left: 540, GrantedBy: []string{"cache1", "cache2"}, Confirmed: []string{"cache1", "cache2"}}
		}
	}
	return r
}

// fakeHistory is how memcached on cache1 died, and cache3 took over.
func fakeHistory() map[string][]history.Entry {
	at := func(ms int) time.Time {
		return time.Date(2026, 11, 21, 11, 59, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	}
	part := func(node string, seq uint64, ms int, from, to core.Role, cause core.Cause, epoch uint64) history.Entry {
		return history.Entry{Time: at(ms), Node: node, Start: 1, Seq: seq, Kind: history.KindChange, VIP: vip, From: from.String(), To: to.String(), Cause: string(cause), Epoch: epoch}
	}
	return map[string][]history.Entry{
		"cache1": {
			{Time: at(-60000), Node: "cache1", Start: 1, Seq: 1, Kind: history.KindStarts, Detail: "0.1.0"},
			{Time: at(0), Node: "cache1", Start: 1, Seq: 2, Kind: history.KindChange, Instance: instance, From: "up", To: "down", Cause: string(core.CauseInstanceDown)},
			part("cache1", 3, 1, core.Holding, core.Dropping, core.CauseInstanceDown, 6),
			part("cache1", 4, 4, core.Dropping, core.Idle, core.CauseReleased, 6),
		},
		"cache3": {
			part("cache3", 1, 5, core.Idle, core.Candidate, core.CauseSuccessor, 0),
			part("cache3", 2, 6, core.Candidate, core.Taking, core.CauseMajority, 7),
			part("cache3", 3, 9, core.Taking, core.Holding, core.CauseAddressUp, 7),
		},
	}
}

// fakeFindings: everything is fine but one thing on cache2.
func fakeFindings(node string) []doctor.Finding {
	list := []doctor.Finding{{Check: doctor.CheckNode, Severity: doctor.OK, Node: node, Subject: node, What: node + " is a node of cache-prod"}}
	if node == "cache2" {
		list = append(list, doctor.Finding{
			Check: doctor.CheckVersion, Severity: doctor.Warning, Node: node, Subject: instance, What: "memcached " + instance + " is 1.4.5, which memvip was never tried with",
			Why: "its flush may not be proved", Mend: "apt-get install memcached",
		})
	}
	return list
}

// lost: degraded, and then cache1 is silent altogether.
func lost() core.Status {
	s := degraded()
	s.Nodes[0].Ago, s.Voters[0].Ago = time.Minute, time.Minute
	return s
}
