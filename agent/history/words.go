package history

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"memvip/agent/core"
	"memvip/agent/layout"
)

// Every change that the machine tells of has its words here: what happened, and why. A test walks over every
// cause, and over every change in core's scenarios. A change that an agent of a later version tells of is
// shown as it came.

// change names what changed and why; together they call for words of their own.
type change struct {
	from, to string
	cause    core.Cause
}

// causeWords says why a node's part in a lease changed, or why anything did that has no other words.
var causeWords = map[core.Cause]string{
	core.CauseHint:           "a voter named this node",
	core.CauseRetry:          "the wait after a refusal is over",
	core.CauseContinue:       "its own last term may be continued",
	core.CauseSuccessor:      "the node that let it go named this one",
	core.CauseMajority:       "a majority of the voters granted it",
	core.CauseAddressUp:      "the address is up and announced",
	core.CauseLeaseLost:      "the lease ended unrenewed",
	core.CauseInstanceDown:   "memcached is down",
	core.CauseDrain:          "an operator drains the node",
	core.CauseMove:           "an operator moves it",
	core.CausePause:          "an operator said so",
	core.CauseOperator:       "an operator wants it flushed",
	core.CauseStop:           "the agent stops",
	core.CauseMakeRoom:       "memcached has to be flushed for the VIP at home here",
	core.CauseHandback:       "its home is proved clean and asks for it",
	core.CauseLinkDown:       "the interface or its carrier is gone",
	core.CauseDisk:           "the state file cannot be written",
	core.CauseCheck:          "memcached is not as its proof says",
	core.CauseAddress:        "the address cannot be kept up here",
	core.CauseRefused:        "no majority granted it in time",
	core.CauseIneligible:     "this node may no longer take it",
	core.CauseRival:          "a better candidate asks for it too",
	core.CauseNoContinuity:   "another node may have served it meanwhile",
	core.CauseReleased:       "the address is down and the lease given back",
	core.CauseLeftover:       "an earlier life of the agent left the address up",
	core.CauseProof:          "a flush was proved",
	core.CauseRestart:        "memcached restarted empty",
	core.CauseTainted:        "memcached may hold old values",
	core.CauseReclaim:        "the successor did not take it",
	core.CauseDone:           "it is done",
	core.CauseVoterList:      "the list of voters is another",
	core.CauseStartNumber:    "a voter remembers a later life of this node",
	core.CauseFirstStart:     "there is no state file: the host is new, or was rebooted",
	core.CauseStateLost:      "the state file is not valid",
	core.CauseSameName:       "another host has this node's name",
	core.CauseForeignHost:    "a host that is no member claims the address",
	core.CauseMemberConflict: "another member claims the address",

	core.CauseUnprovable:      "memcached cannot be proved empty",
	core.CauseConnectionsLeft: "connections of an earlier service are still in memcached",
}

// instanceWords says what became of memcached, whose address goes where %s stands.
var instanceWords = map[change]string{
	{"unknown", "up", core.CauseDone}:            "memcached %s is up",
	{"down", "up", core.CauseDone}:               "memcached %s is up again",
	{"up", "up", core.CauseDone}:                 "memcached %s was restarted",
	{"unknown", "down", core.CauseInstanceDown}:  "memcached %s is down",
	{"up", "down", core.CauseInstanceDown}:       "memcached %s went down",
	{"tainted", "clean", core.CauseProof}:        "memcached %s is clean for it: a flush was proved",
	{"tainted", "clean", core.CauseRestart}:      "memcached %s is clean for it: it restarted empty",
	{"flushing", "tainted", core.CauseProof}:     "the flush of memcached %s is not proved",
	{"tainted", "restarting", core.CauseTainted}: "has memcached %s restarted, which may hold old values of it: it is in use, or was flushed in vain",
	{"restarting", "tainted", core.CauseRestart}: "the restart of memcached %s came to nothing",
	{"proved", "refused", core.CauseCheck}:       "memcached %s is not as its proof says",
	{"clean", "tainted", core.CauseOperator}:     "memcached %s is to be flushed: an operator wants it",
	{"warm", "tainted", core.CauseTainted}:       "memcached %s is to be flushed, though it served last: it may not be taken here, and another VIP has nobody clean",
	{"warm", "tainted", core.CauseOperator}:      "memcached %s is to be flushed, though it served last: an operator wants it",
}

// nodeWords says what became of the node, or of an address on its link.
var nodeWords = map[change]string{
	{"stopped", "started", core.CauseFirstStart}:  "begins without a state file: the host is new, or was rebooted",
	{"stopped", "started", core.CauseStateLost}:   "begins anew: the state file is not valid",
	{"started", "started", core.CauseVoterList}:   "does not go by the voters that are configured",
	{"started", "started", core.CauseStartNumber}: "takes a higher start number: a voter remembers a later life of this node",
	{"disk_ok", "disk_broken", core.CauseDisk}:    "cannot write its state file, and takes no VIP",
	{"disk_broken", "disk_ok", core.CauseDisk}:    "can write its state file again",
	{"resumed", "paused", core.CausePause}:        "hears that hand-backs are paused",
	{"paused", "resumed", core.CausePause}:        "hears that hand-backs go on",
	{"up", "left_alone", core.CauseAddress}:       "leaves the address alone for a while",
}

// Sentence is the entry in plain words, without who and when.
func (e Entry) Sentence() string {
	switch e.Kind {
	case KindStarts:
		return "agent starts" + inParentheses(e.Detail)
	case KindStops:
		return "agent stops" + inParentheses(e.Detail)
	case KindCommand:
		return fmt.Sprintf("an operator asks for %q", e.Command) + askedAt(e) + inParentheses(e.Detail)
	case KindChange:
		return changeSentence(e) + inParentheses(e.Detail, epochWords(e))
	}
	return strings.TrimSpace(string(e.Kind) + " " + e.Detail)
}

func askedAt(e Entry) string {
	if e.By == "" || e.By == e.Node {
		return ""
	}
	return " at " + e.By
}

func changeSentence(e Entry) string {
	c := change{e.From, e.To, core.Cause(e.Cause)}
	if e.To == core.RefusalWord {
		return "does not take it, though it should" + because(whyOf(e))
	}
	if words, ok := instanceWords[c]; ok && e.Instance != "" {
		return fmt.Sprintf(words, e.Instance)
	}
	if words, ok := nodeWords[c]; ok {
		return words
	}
	if c.cause == core.CauseVoterList {
		return fmt.Sprintf("goes by the voters %s, and no longer %s", e.To, e.From)
	}
	from, known := roleOf(e.From)
	to, alsoKnown := roleOf(e.To)
	if e.VIP == "" || !known || !alsoKnown {
		return strings.TrimSpace(e.Instance+" "+e.From+" -> "+e.To) + because(whyOf(e))
	}
	if from == to {
		return conflictWords(e, from)
	}
	return partWords(e.VIP, from, to) + afterWords(e, from) + because(whyOf(e))
}

// roleOf returns the role behind core.Role.String().
func roleOf(word string) (core.Role, bool) {
	for r := core.Idle; r <= core.Dropping; r++ {
		if r.String() == word {
			return r, true
		}
	}
	return core.Idle, false
}

// partWords says what a node does about a lease.
func partWords(vip string, from, to core.Role) string {
	if vip == string(core.HandbackSlot) {
		return slotWords(from, to)
	}
	switch to {
	case core.Candidate:
		return "asks for it"
	case core.Taking:
		return "takes it"
	case core.Holding:
		return "serves it"
	case core.Dropping:
		if from == core.Holding {
			return "lets it go"
		}
		return "takes its address down"
	case core.Idle:
		switch from {
		case core.Candidate:
			return "gives up asking for it"
		case core.Taking:
			return "does not take it after all"
		case core.Idle, core.Holding, core.Dropping:
		}
		return "has let it go"
	}
	return ""
}

// slotWords says the same of the slot that makes hand-backs go one at a time.
func slotWords(from, to core.Role) string {
	const slot = " the hand-back slot"
	switch to {
	case core.Candidate:
		return "asks for" + slot
	case core.Taking:
		return "gets" + slot
	case core.Holding:
		return "has" + slot
	case core.Idle, core.Dropping:
		if from == core.Candidate {
			return "gives up asking for" + slot
		}
		return "gives back" + slot
	}
	return ""
}

// conflictWords says who else claims an address, and whether this node holds it.
func conflictWords(e Entry, role core.Role) string {
	what := whyOf(e)
	if e.Peer != "" {
		what = strings.Replace(what, "another member", e.Peer, 1)
	}
	if role == core.Holding {
		return what + ", which is held here"
	}
	return what
}

// afterWords says how long a node had held what it gives up.
func afterWords(e Entry, from core.Role) string {
	if from != core.Holding || e.Lasted <= 0 {
		return ""
	}
	return " after " + layout.Span(time.Duration(e.Lasted)*time.Millisecond)
}

// whyOf says why a node's part in a lease changed.
func whyOf(e Entry) string {
	cause := core.Cause(e.Cause)
	if e.VIP == string(core.HandbackSlot) {
		switch cause {
		case core.CauseHandback:
			return "its VIP may come home"
		case core.CauseDone:
			return "the hand-back is over"
		default: // as for a VIP
		}
	}
	if words := causeWords[cause]; words != "" {
		return words
	}
	return e.Cause
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func epochWords(e Entry) string {
	if e.Epoch == 0 {
		return ""
	}
	return fmt.Sprintf("epoch %d", e.Epoch)
}

// inParentheses puts those of the texts that are not empty behind a sentence.
func inParentheses(texts ...string) string {
	texts = slices.DeleteFunc(texts, func(t string) bool { return t == "" })
	if len(texts) == 0 {
		return ""
	}
	return " (" + strings.Join(texts, "; ") + ")"
}
