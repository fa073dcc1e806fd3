package gossip

import (
	"fmt"
	"slices"

	"memvip/agent/core"
)

// body is a wire struct that stands for one of core's messages, or for a node state.
type body interface {
	// toCore returns a core.Message or a core.NodeState.
	toCore() any
}

func (k kind) String() string {
	switch k {
	case kindClaim:
		return "claim"
	case kindAnswer:
		return "answer"
	case kindRelease:
		return "release"
	case kindAck:
		return "ack"
	case kindHint:
		return "hint"
	case kindAsk:
		return "ask"
	case kindAskReply:
		return "ask reply"
	case kindStandBy:
		return "stand by"
	case kindDecline:
		return "decline"
	case kindState:
		return "state"
	case kindCall:
		return "call"
	case kindReply:
		return "reply"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// empty returns what a frame of this kind is decoded into, or nil if the kind is unknown.
func (k kind) empty() body {
	switch k {
	case kindClaim:
		return new(wireClaim)
	case kindAnswer:
		return new(wireAnswer)
	case kindRelease:
		return new(wireRelease)
	case kindAck:
		return new(wireAck)
	case kindHint:
		return new(wireHint)
	case kindAsk:
		return new(wireAsk)
	case kindAskReply:
		return new(wireAskReply)
	case kindStandBy:
		return new(wireStandBy)
	case kindDecline:
		return new(wireDecline)
	case kindState:
		return new(wireState)
	}
	return nil
}

// messageToWire returns the wire form of a message, or nil if it has none. Lists are copied: the
// caller keeps its message.
func messageToWire(msg core.Message) (kind, body) {
	switch m := msg.(type) {
	case core.Claim:
		return kindClaim, &wireClaim{
			From: wireClaimant(m.From), Counter: m.Counter, Life: m.Life, Echo: m.Echo, List: wireList(m.List),
			Must: m.Must, Length: m.Length, Entries: each(m.Entries, claimEntryToWire), State: stateToWire(m.State),
			Seen: m.Seen, Unchanged: m.Unchanged,
		}
	case core.Answer:
		return kindAnswer, &wireAnswer{
			Voter: m.Voter, Incarnation: m.Incarnation, Memory: m.Memory, Life: m.Life,
			Request: wireRequest(m.Request), Refused: m.Refused, Other: m.Other, Left: m.Left,
			Newest: wireRequest(m.Newest), List: wireList(m.List), Entries: each(m.Entries, answerEntryToWire),
			Knows: m.Knows, Edition: m.Edition,
		}
	case core.Release:
		return kindRelease, &wireRelease{
			From: wireClaimant(m.From), Counter: m.Counter, Echo: m.Echo, Length: m.Length,
			Entries: each(m.Entries, func(e core.ReleaseEntry) wireReleaseEntry { return wireReleaseEntry(e) }),
		}
	case core.Ack:
		return kindAck, &wireAck{m.Voter, m.Incarnation, wireRequest(m.Request), m.Refused}
	case core.Hint:
		return kindHint, &wireHint{m.Voter, m.Name, wireTerm(m.Last), m.By, m.Tainted, m.Incarnation, m.Edition}
	case core.Ask:
		return kindAsk, &wireAsk{m.From, m.Name, m.Final, proofToWire(m.Proof), wireTerm(m.Over), wireTerm(m.Served), m.Why}
	case core.AskReply:
		return kindAskReply, &wireAskReply{m.From, m.Name, wireTerm(m.Term), m.Refused}
	case core.StandBy:
		w := wireStandBy(m)
		return kindStandBy, &w
	case core.Decline:
		w := wireDecline(m)
		return kindDecline, &w
	}
	return 0, nil
}

func claimEntryToWire(e core.ClaimEntry) wireClaimEntry {
	return wireClaimEntry{e.Name, e.Kind, wireTerm(e.Term)}
}

func answerEntryToWire(e core.AnswerEntry) wireAnswerEntry {
	return wireAnswerEntry{e.Name, e.Asked, e.Refused, e.Rank, e.Above, wireTerm(e.Last), e.Grantee, e.Holding, e.Left}
}

func proofToWire(p core.Proof) wireProof {
	return wireProof{p.PID, p.Start, p.Oldest, p.TotalItems, p.Restart}
}

func stateToWire(s core.NodeState) wireState {
	return wireState{
		Node: s.Node, Start: s.Start, Seq: s.Seq, Build: s.Build, Quorate: s.Quorate, Draining: s.Draining,
		Stopping: s.Stopping, Witness: s.Witness, Detector: s.Detector, Fence: s.Fence, DiskError: s.DiskError, List: wireList(s.List),
		Instances: each(s.Instances, func(i core.InstanceState) wireInstance { return wireInstance(i) }),
		VIPs:      each(s.VIPs, vipToWire),
		MACs:      slices.Clone(s.MACs),
		Config:    s.Config, Pause: wirePause(s.Pause), Version: s.Version,
	}
}

func vipToWire(v core.VIPState) wireVIP {
	return wireVIP{v.Name, v.Role, v.Standing, v.Clean, wireTerm(v.Served), v.HeldFor, v.Epoch, v.Coming, v.Refused, v.Wait,
		v.Conflict, v.ConflictNode, v.ConflictAgo, v.Losses}
}

func (w *wireClaim) toCore() any {
	return core.Claim{
		From: core.Claimant(w.From), Counter: w.Counter, Life: w.Life, Echo: w.Echo, List: core.ListID(w.List),
		Must: w.Must, Length: w.Length, Entries: each(w.Entries, wireClaimEntry.entry), State: w.State.state(),
		Seen: w.Seen, Unchanged: w.Unchanged,
	}
}

func (w *wireAnswer) toCore() any {
	return core.Answer{
		Voter: w.Voter, Incarnation: w.Incarnation, Memory: w.Memory, Life: w.Life, Request: core.Request(w.Request),
		Refused: w.Refused, Other: w.Other, Left: w.Left, Newest: core.Request(w.Newest), List: core.ListID(w.List),
		Entries: each(w.Entries, wireAnswerEntry.entry), Knows: w.Knows, Edition: w.Edition,
	}
}

func (w *wireRelease) toCore() any {
	return core.Release{
		From: core.Claimant(w.From), Counter: w.Counter, Echo: w.Echo, Length: w.Length,
		Entries: each(w.Entries, func(e wireReleaseEntry) core.ReleaseEntry { return core.ReleaseEntry(e) }),
	}
}

func (w *wireAck) toCore() any {
	return core.Ack{Voter: w.Voter, Incarnation: w.Incarnation, Request: core.Request(w.Request), Refused: w.Refused}
}

func (w *wireHint) toCore() any {
	return core.Hint{
		Voter: w.Voter, Name: w.Name, Last: core.Term(w.Last), By: w.By, Tainted: w.Tainted,
		Incarnation: w.Incarnation, Edition: w.Edition,
	}
}

func (w *wireAsk) toCore() any {
	return core.Ask{
		From: w.From, Name: w.Name, Final: w.Final, Proof: w.Proof.proof(),
		Over: core.Term(w.Over), Served: core.Term(w.Served), Why: w.Why,
	}
}

func (w *wireAskReply) toCore() any {
	return core.AskReply{From: w.From, Name: w.Name, Term: core.Term(w.Term), Refused: w.Refused}
}

func (w *wireStandBy) toCore() any { return core.StandBy(*w) }

func (w *wireDecline) toCore() any { return core.Decline(*w) }

func (w *wireState) toCore() any { return w.state() }

func (w wireClaimEntry) entry() core.ClaimEntry {
	return core.ClaimEntry{Name: w.Name, Kind: w.Kind, Term: core.Term(w.Term)}
}

func (w wireAnswerEntry) entry() core.AnswerEntry {
	return core.AnswerEntry{
		Name: w.Name, Asked: w.Asked, Refused: w.Refused, Rank: w.Rank, Above: w.Above,
		Last: core.Term(w.Last), Grantee: w.Grantee, Holding: w.Holding, Left: w.Left,
	}
}

func (w wireProof) proof() core.Proof {
	return core.Proof{
		Incarnation: core.Incarnation{PID: w.PID, Start: w.Start},
		Oldest:      w.Oldest, TotalItems: w.TotalItems, Restart: w.Restart,
	}
}

func (w wireState) state() core.NodeState {
	return core.NodeState{
		Node: w.Node, Start: w.Start, Seq: w.Seq, Build: w.Build, Quorate: w.Quorate, Draining: w.Draining,
		Stopping: w.Stopping, Witness: w.Witness, Detector: w.Detector, Fence: w.Fence, DiskError: w.DiskError, List: core.ListID(w.List),
		Instances: each(w.Instances, func(i wireInstance) core.InstanceState { return core.InstanceState(i) }),
		VIPs:      each(w.VIPs, wireVIP.vip),
		MACs:      w.MACs,
		Config:    w.Config, Pause: core.Pause(w.Pause), Version: w.Version,
	}
}

func (w wireVIP) vip() core.VIPState {
	return core.VIPState{
		Name: w.Name, Role: w.Role, Standing: w.Standing, Clean: w.Clean, Served: core.Term(w.Served), HeldFor: w.HeldFor,
		Epoch: w.Epoch, Coming: w.Coming, Refused: w.Refused, Wait: w.Wait,
		Conflict: w.Conflict, ConflictNode: w.ConflictNode, ConflictAgo: w.ConflictAgo,
		Losses: w.Losses,
	}
}

// each maps a list; nil stays nil, since an empty list and none are the same on the wire.
func each[A, B any](list []A, f func(A) B) []B {
	if len(list) == 0 {
		return nil
	}
	out := make([]B, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

// sender returns the name of the node that a message speaks for.
func sender(msg core.Message) string {
	switch m := msg.(type) {
	case core.Claim:
		return m.From.Node
	case core.Answer:
		return m.Voter
	case core.Release:
		return m.From.Node
	case core.Ack:
		return m.Voter
	case core.Hint:
		return m.Voter
	case core.Ask:
		return m.From
	case core.AskReply:
		return m.From
	case core.StandBy:
		return m.From
	case core.Decline:
		return m.From
	}
	return ""
}
