package control

import (
	"fmt"

	"memvip/agent/core"
	"memvip/health"
)

// Every closed code that reaches a report has its words here and nowhere else. "" means that the code
// calls for no words; a test walks over every code and knows which those are.

// phrase is a code in words: short for a table, long as part of a sentence.
type phrase struct{ short, long string }

// standingWords says why a node may not take a VIP. The detail is what the node adds to it.
func standingWords(s core.Standing, node, detail string) phrase {
	switch s {
	case core.Eligible:
		return phrase{}
	case core.Excluded:
		return phrase{"no candidate", node + " is not among its candidates"}
	case core.NoInstance:
		return phrase{"witness", node + " is a witness and runs no memcached"}
	case core.InstanceUnknown:
		return phrase{"not probed yet", "memcached on " + node + " has not been probed yet"}
	case core.InstanceDown:
		return phrase{"memcached down", "memcached on " + node + " is down" + inParentheses(detail)}
	case core.InstanceFlushing:
		return phrase{"being flushed", "memcached on " + node + " is being flushed"}
	case core.Unprovable:
		return phrase{"cannot be flushed", "memcached on " + node + " cannot be proved clean" + inParentheses(detail)}
	case core.ConnectionsLeft:
		return phrase{"old connections", "memcached on " + node + " may still execute what it was sent on an address it no longer serves" + inParentheses(detail)}
	case core.LinkDown:
		return phrase{"interface down", "its interface on " + node + " is down or missing"}
	case core.AddressStuck:
		return phrase{"address stuck", "the kernel of " + node + " refused to add or remove it"}
	case core.Draining:
		return phrase{"draining", node + " is being drained"}
	case core.Stopping:
		return phrase{"agent stopping", "the agent on " + node + " is stopping"}
	case core.DiskBroken:
		return phrase{"disk error", node + " cannot write its state file" + inParentheses(detail)}
	case core.NotQuorate:
		return phrase{"cut off", node + " hears no majority of the voters"}
	case core.OtherHands:
		return phrase{"removed by others", "somebody on " + node + " removes it from its interface again and again"}
	case core.ForeignHost:
		return phrase{"foreign host", node + " sees a host on it that is no member" + inParentheses(detail)}
	}
	return phrase{}
}

// homecomingWords says what a home waits for that is up and able to take its VIP. NotAway, for a VIP that
// is away, means that the home has not looked yet; AwayIneligible has the words of its standing.
func homecomingWords(c core.Homecoming, home, holder string) phrase {
	switch c {
	case core.NotAway:
		return phrase{"not asked yet", home + " has not asked for it yet"}
	case core.AwayIneligible:
		return phrase{"home unable", home + " may not take it"}
	case core.AwayTainted:
		return phrase{"flush pending", home + " is up, but its memcached is not proved clean yet"}
	case core.AwayManual:
		return phrase{"failback manual", "failback is manual, and nobody has asked for the hand-back"}
	case core.AwayPaused:
		return phrase{"paused", "hand-backs are paused by an operator"}
	case core.AwayNever:
		return phrase{"failback never", `failback is "never": it stays at ` + holder + " until " + holder + " loses it"}
	case core.AwayDelay:
		return phrase{"failback_delay", "waiting for failback_delay"}
	case core.AwaySlot:
		return phrase{"waits its turn", "waiting for its turn: hand-backs go one at a time"}
	case core.AwayAsked:
		return phrase{"hand-back asked", home + " has asked " + holder + " for it and waits for the answer"}
	case core.AwayRefused:
		return phrase{"refused", holder + " refuses to hand it back"}
	case core.AwayTaking:
		return phrase{"coming home", holder + " lets it go and " + home + " takes it"}
	}
	return phrase{}
}

// What core.InstanceUp.Unprovable says, in words already.
const (
	FlushOff         = "flush_all is switched off (-F)"
	WantsLogin       = "memcached wants a login"
	NoConnectionLeft = "memcached has no connection left to be asked for its figures"
)

// NotListening begins what core.InstanceUp.Note says of a memcached that VIPs are not to be reached at, which follow.
const NotListening = "it does not listen on "

// askWords is what a holder says to a home that asks for its VIP.
func askWords(r core.AskRefusal, home, holder string) string {
	switch r {
	case core.AskAccepted:
		return ""
	case core.AskNotHolder:
		return holder + " says that it does not hold it"
	case core.AskNotHome:
		return holder + " says that " + home + " is not its home: their configurations differ"
	case core.AskNoProof:
		return holder + " keeps it until the flush is proved"
	case core.AskOldProof:
		return "the proof is older than the last time that " + home + " served it"
	case core.AskNotYet:
		return holder + " accepts the proof"
	case core.AskUnderway:
		return "the hand-back is under way"
	}
	return ""
}

// flushWords says how far an instance is on its way to a proof, and what stands in its way.
func flushWords(stage core.FlushStage, trouble string) string {
	switch stage {
	case core.FlushIdle:
		if trouble != "" {
			return "the last try failed: " + trouble
		}
		return ""
	case core.FlushQuieting:
		if trouble != "" {
			return fmt.Sprintf("waiting for 2 s without traffic (%s: do clients use the host's own address?)", trouble)
		}
		return "waiting for 2 s without traffic"
	case core.FlushRunning:
		return "flush_all is sent, the proof is awaited"
	case core.FlushRestarting:
		return "restart_command is running"
	}
	return ""
}

// taintWords says why an instance is not proved clean: what becomes of its flush, or which VIPs it serves meanwhile.
func taintWords(flush string, serves []string) string {
	switch {
	case flush != "":
		return flush
	case len(serves) > 0:
		return "it also serves " + list(serves) + ", so only a restart could prove it"
	}
	return "its flush has not begun yet"
}

// instanceWords turns a reason of the prober into words. What is no code of its is passed on as it is.
func instanceWords(reason string) string {
	for r := health.ReasonNone; r <= health.ReasonLogin; r++ {
		if r.String() == reason {
			return healthWords(r)
		}
	}
	return reason
}

func healthWords(r health.Reason) string {
	switch r {
	case health.ReasonNone:
		return ""
	case health.ReasonExited:
		return "the process exited"
	case health.ReasonClosed:
		return "connection closed"
	case health.ReasonRefused:
		return "connection refused"
	case health.ReasonTimeout:
		return "no answer in time"
	case health.ReasonWorkerStuck:
		return "a worker thread hangs"
	case health.ReasonBadReply:
		return "not memcached's answers"
	case health.ReasonNoRoute:
		return "no route to its address"
	case health.ReasonIO:
		return "socket error"
	case health.ReasonFull:
		return "maxconns reached"
	case health.ReasonLogin:
		return "wants a login"
	}
	return ""
}

// refusalWords says why a voter refuses everything that this node claims. Reasons that pass by
// themselves, or that concern one name only, need no words.
func refusalWords(r core.Refusal, voter, self, other string) string {
	switch r {
	case core.NotRefused, core.WrongIncarnation, core.OldRequest, core.Held, core.Reserved:
		return ""
	case core.Silent:
		return voter + " has no state from before, and grants nothing yet"
	case core.NotUnderstood:
		return voter + " does not understand the claims of " + self + ": its agent is older"
	case core.OtherList:
		return voter + " counts another list of voters than " + self
	case core.SameName:
		if other == "" {
			return voter + " knows another host by the name " + self
		}
		return voter + " knows another host, at " + other + ", by the name " + self
	case core.TooLong:
		return voter + " does not grant leases as long as " + self + " asks for"
	}
	return ""
}

// refusalOf returns the code behind core.Refusal.String().
func refusalOf(word string) core.Refusal {
	for r := core.NotRefused; r <= core.Reserved; r++ {
		if r.String() == word {
			return r
		}
	}
	return core.NotRefused
}

// failbackWord is a failback as the configuration spells it.
func failbackWord(f core.Failback) string {
	switch f {
	case core.FailbackAuto:
		return "auto"
	case core.FailbackManual:
		return "manual"
	case core.FailbackNever:
		return "never"
	}
	return ""
}

func inParentheses(detail string) string {
	if detail == "" {
		return ""
	}
	return " (" + detail + ")"
}
