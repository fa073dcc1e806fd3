package main

import (
	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/agent/trace"
)

// fakeTrace is what a node remembers of how memcached on cache1 died, and cache3 took over: nothing where cache1 serves.
func fakeTrace(local control.Report, node string) trace.Journal {
	j := trace.Journal{Node: node, VIP: vip, Clock: "clock", Now: 70_000_000, Wall: local.Time, Marks: []trace.Mark{}}
	if v, _ := local.FindVIP(vip); v.Holder == "cache1" {
		return j
	}
	for _, m := range map[string][]trace.Mark{
		"cache1": {
			{At: 0, Step: trace.Failed, Event: 7},
			{At: 310, Step: trace.Noticed, Event: 7},
			{At: 352, Step: trace.Decided, Epoch: 6, Cause: string(core.CauseInstanceDown), Event: 7},
			{At: 398, Step: trace.Dropping},
			{At: 460, Step: trace.Shut},
			{At: 790, Step: trace.Reset},
			{At: 825, Step: trace.Removed},
			{At: 1130, Step: trace.Swept},
			{At: 1190, Step: trace.Closed},
			{At: 1204, Step: trace.Down, Event: 8},
			{At: 1262, Step: trace.ReleaseSent, Peer: "cache2", Number: 41, Event: 8},
			{At: 1290, Step: trace.ReleaseSent, Peer: "cache3", Number: 41, Event: 8},
		},
		"cache2": {
			{At: 1370, Step: trace.ReleaseHeard, Peer: "cache1", Number: 41, Event: 3},
			{At: 1435, Step: trace.Saved, Event: 3},
			{At: 1490, Step: trace.HintSent, Peer: "cache3", Number: 6, Event: 3},
			{At: 1690, Step: trace.ClaimHeard, Peer: "cache3", Number: 17, Epoch: 7, Event: 4},
			{At: 1751, Step: trace.Saved, Event: 4},
			{At: 1799, Step: trace.AnswerSent, Peer: "cache3", Number: 17, Event: 4},
		},
		"cache3": {
			{At: 1561, Step: trace.HintHeard, Peer: "cache2", Number: 6, Event: 5},
			{At: 1570, Step: trace.Asked, Cause: string(core.CauseSuccessor), Event: 5},
			{At: 1622, Step: trace.ClaimSent, Peer: "cache2", Number: 17, Epoch: 7, Event: 5},
			{At: 1874, Step: trace.AnswerHeard, Peer: "cache2", Number: 17, Event: 6},
			{At: 1880, Step: trace.Won, Epoch: 7, Cause: string(core.CauseMajority), Event: 6},
			{At: 1931, Step: trace.Saved, Event: 6},
			{At: 2250, Step: trace.Checked, Epoch: 7, Event: 7},
			{At: 2258, Step: trace.Ordered, Epoch: 7, Event: 7},
			{At: 2291, Step: trace.Taking},
			{At: 2380, Step: trace.Opened},
			{At: 2431, Step: trace.Added},
			{At: 2480, Step: trace.Announced},
			{At: 2502, Step: trace.Up, Epoch: 7, Cause: string(core.CauseAddressUp), Event: 8},
		},
	}[node] {
		m.At += 10_000_000
		j.Marks = append(j.Marks, m)
	}
	return j
}
