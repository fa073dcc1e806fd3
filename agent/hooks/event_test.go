package hooks

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memvip/agent/core"
	"memvip/agent/history"
)

func TestWhatThereAreHooksFor(t *testing.T) {
	const vip = "10.0.0.101"
	part := func(from, to core.Role, cause core.Cause, epoch uint64) history.Entry {
		return changed(vip, from, to, cause, epoch)
	}
	with := func(e history.Entry, change func(*history.Entry)) history.Entry {
		change(&e)
		return e
	}
	at := part(core.Idle, core.Idle, "", 0).Time
	for _, c := range []struct {
		name    string
		entries []history.Entry
		want    []Event
	}{
		{"taken over", []history.Entry{
			part(core.Idle, core.Candidate, core.CauseSuccessor, 0),
			part(core.Candidate, core.Taking, core.CauseMajority, 7),
			with(part(core.Taking, core.Holding, core.CauseAddressUp, 7), func(e *history.Entry) { e.Peer = "cache2" }),
		}, []Event{{Kind: Claim, Time: at, VIP: vip, Epoch: 7, Reason: "successor", Peer: "cache2",
			Text: "serves it: the node that let it go named this one (epoch 7)"}}},
		{"given away", []history.Entry{
			with(part(core.Holding, core.Dropping, core.CauseInstanceDown, 7), func(e *history.Entry) { e.Lasted, e.Peer = 15*3600_000, "cache3" }),
			with(part(core.Dropping, core.Idle, core.CauseReleased, 7), func(e *history.Entry) { e.Time = e.Time.Add(1) }),
		}, []Event{{Kind: Release, Time: at.Add(1), VIP: vip, Epoch: 7, Reason: "instance_down", Peer: "cache3",
			Text: "lets it go after 15 h: memcached is down (epoch 7)"}}},
		{"found up and taken down", []history.Entry{
			part(core.Idle, core.Dropping, core.CauseLeftover, 0),
			part(core.Dropping, core.Idle, core.CauseReleased, 0),
		}, []Event{{Kind: Release, Time: at, VIP: vip, Reason: "leftover",
			Text: "takes its address down: an earlier life of the agent left the address up"}}},
		{"asked for in vain", []history.Entry{
			part(core.Idle, core.Candidate, core.CauseHint, 0),
			part(core.Candidate, core.Idle, core.CauseRival, 0),
		}, nil},
		{"claimed by a stranger", []history.Entry{
			with(part(core.Idle, core.Idle, core.CauseForeignHost, 0), func(e *history.Entry) { e.Detail = "02:aa:00:00:00:99" }),
			with(part(core.Holding, core.Holding, core.CauseMemberConflict, 7), func(e *history.Entry) { e.Detail, e.Peer = "02:00:00:00:00:02", "cache2" }),
		}, []Event{
			{Kind: Conflict, Time: at, VIP: vip, Reason: "foreign_host", MAC: "02:aa:00:00:00:99",
				Text: "a host that is no member claims the address (02:aa:00:00:00:99)"},
			{Kind: Conflict, Time: at, VIP: vip, Epoch: 7, Reason: "member_conflict", MAC: "02:00:00:00:00:02", Peer: "cache2",
				Text: "cache2 claims the address, which is held here (02:00:00:00:00:02; epoch 7)"},
		}},
		{"refused", []history.Entry{
			with(part(core.Idle, core.Idle, core.CauseTainted, 0), func(e *history.Entry) { e.From, e.To, e.Detail = "willing", core.RefusalWord, "cmd_get moved" }),
			with(part(core.Idle, core.Idle, core.CauseForeignHost, 0), func(e *history.Entry) { e.From, e.To = core.RefusalWord, core.RefusalWord }),
			with(part(core.Idle, core.Idle, core.CauseCheck, 0), func(e *history.Entry) { e.From, e.To, e.Instance = "proved", "refused", "127.0.0.1:11211" }),
		}, []Event{
			{Kind: Refusal, Time: at, VIP: vip, Reason: "tainted", Text: "does not take it, though it should: memcached may hold old values (cmd_get moved)"},
			{Kind: Refusal, Time: at, VIP: vip, Reason: "foreign_host", Text: "does not take it, though it should: a host that is no member claims the address"},
			{Kind: Refusal, Time: at, VIP: vip, Reason: "check", Text: "memcached 127.0.0.1:11211 is not as its proof says"},
		}},
		{"nothing of that", []history.Entry{
			history.Starts("v1", at), history.Stops("", at), history.Asked("drain", vip, "cache2", at),
			with(part(core.Taking, core.Holding, core.CauseMajority, 3), func(e *history.Entry) { e.VIP = string(core.HandbackSlot) }),
			{Kind: history.KindChange, VIP: vip, Instance: "127.0.0.1:11211", From: "tainted", To: "clean", Cause: string(core.CauseProof)},
			{Kind: history.KindChange, From: "disk_ok", To: "disk_broken", Cause: string(core.CauseDisk)},
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			teller := newTeller()
			var got []Event
			for _, e := range c.entries {
				if event, ok := teller.tell(e); ok {
					got = append(got, event)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
