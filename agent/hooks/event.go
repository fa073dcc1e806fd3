package hooks

import (
	"time"

	"memvip/agent/core"
	"memvip/agent/history"
)

// Kind is what a hook is for. The set is closed.
type Kind string

// The kinds.
const (
	Claim    Kind = "claim"    // an address is up and announced
	Release  Kind = "release"  // it is down, and its lease given back or lost
	Refusal  Kind = "refusal"  // this node does not take a VIP that it should take, or had won
	Conflict Kind = "conflict" // another host claims an address
)

// textBytesMax bounds what is passed on of texts that came from elsewhere.
const textBytesMax = 1 << 10

// Event is what a hook is run for.
type Event struct {
	Kind   Kind      `json:"kind"`
	Time   time.Time `json:"time"`
	VIP    string    `json:"vip"`
	Epoch  uint64    `json:"epoch"`  // of the VIP's acquisition; 0 if there is none
	Reason string    `json:"reason"` // a core.Cause
	Text   string    `json:"text"`   // what happened, in words
	Peer   string    `json:"peer"`   // another node that has a part in it; "" if none is known
	MAC    string    `json:"mac"`    // who claims the address, for Conflict

	Node      string `json:"node"`
	Cluster   string `json:"cluster"`
	Home      string `json:"home"`
	Interface string `json:"interface"`
}

// teller makes events of a node's history. Why a VIP is claimed or given up stands in an earlier entry than that it is
// up or down.
type teller struct {
	asked  map[string]string        // VIP -> why this node asked for it
	giving map[string]history.Entry // VIP -> that it is to go down, and why
}

func newTeller() *teller {
	return &teller{asked: map[string]string{}, giving: map[string]history.Entry{}}
}

// tell returns the event that an entry tells of, if it is one that there are hooks for.
func (t *teller) tell(e history.Entry) (event Event, ok bool) {
	if e.Kind != history.KindChange || e.VIP == "" || e.VIP == string(core.HandbackSlot) {
		return Event{}, false
	}
	switch {
	case e.Conflict():
		event = eventOf(Conflict, e)
		event.MAC = e.Detail
		return event, true
	case e.Refusal():
		return eventOf(Refusal, e), true
	case e.Instance != "":
		return Event{}, false
	}
	return t.roleChanged(e)
}

func (t *teller) roleChanged(e history.Entry) (event Event, ok bool) {
	switch idle := core.Idle.String(); {
	case e.To == core.Candidate.String():
		t.asked[e.VIP] = e.Cause
	case e.To == core.Holding.String():
		if why := t.asked[e.VIP]; why != "" {
			e.Cause = why
		}
		return eventOf(Claim, e), true
	case e.To == core.Dropping.String():
		t.giving[e.VIP] = e
	case e.From == core.Dropping.String() && e.To == idle:
		why, known := t.giving[e.VIP]
		if !known {
			why = e
		}
		delete(t.giving, e.VIP)
		why.Time = e.Time
		return eventOf(Release, why), true
	}
	return Event{}, false
}

func eventOf(kind Kind, e history.Entry) Event {
	return Event{Kind: kind, Time: e.Time, VIP: e.VIP, Epoch: e.Epoch, Reason: e.Cause, Text: e.Sentence(), Peer: e.Peer}
}
