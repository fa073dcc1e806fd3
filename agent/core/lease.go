package core

import (
	"maps"
	"slices"
	"time"
)

// lease is what one node counts for one name: which claims are out, who granted them, and until when
// that makes a lease. It can be read alone; what the node does with it is in candidate.go and holder.go.
type lease struct {
	name Name
	no   int   // place among all names
	site *site // of the VIP; nil for the hand-back slot

	role  Role
	since Instant // of the role
	kind  Kind    // of the attempt, while role is Candidate
	term  Term    // proposed, continued or held; zero while Idle

	claims     []claim // not released, oldest first
	counted    uint64  // answers to requests up to this one never count again (F2)
	validUntil Instant // zero unless role is Taking or Holding

	// confirmed holds the voters that answered with term while it was held, each with the memory it
	// did so in (F8). It is kept beside the record of service.
	confirmed map[string]uint64

	try   attempt
	take  taking
	drop  dropping
	moved moved

	asked   CheckInstance // of the instance, for the attempt or the taking under way, or one that may follow; zero: nothing yet
	askedAt Instant
	checked bool // the answer: it is still as its proof says

	met map[string]Instant // rival candidates, and since when

	retryAt   Instant // when to try again unasked; zero: not at all
	notBefore Instant // hints are not followed before
	backoff   time.Duration
	holdSince Instant // when the address went up
	downAt    Instant // its address may have been up until then: it last went down, or this agent started
	leftover  Instant // an earlier life's address is up and goes down then, unless its lease is continued; zero: none
	before    string  // the other node that last held it, as a voter told; "" if this node has held it since
	lived     bool    // this life has tried for the name: what an earlier one had is settled
}

// claim is one request of the node for the name.
type claim struct {
	counter uint64
	at      Instant // clock read before its first send
	length  time.Duration
	kind    Kind
	term    Term
	granted []grantedBy // in the order they came
}

// grantedBy is one voter's grant.
type grantedBy struct {
	voter string
	granted
}

// granted is a voter's word with its grant: the memory it spoke from, and its last term after it.
type granted struct {
	memory uint64
	last   Term
}

// claimsMax bounds how many unanswered requests are remembered: more than fit into one lease.
const claimsMax = 12

// held reports whether the lease is this node's.
func (l *lease) held() bool { return l.role == Taking || l.role == Holding }

// ask notes a request that is about to be sent.
func (l *lease) ask(counter uint64, at Instant, length time.Duration, kind Kind) {
	var grants []grantedBy
	if len(l.claims) == claimsMax {
		grants = l.claims[0].granted[:0] // nobody else has it
		l.claims = slices.Delete(l.claims, 0, 1)
	}
	l.claims = append(l.claims, claim{counter, at, length, kind, l.term, grants})
}

// forget makes every request sent so far count no more: the name is or will be released (F2).
func (l *lease) forget(counter uint64) {
	l.claims, l.counted = nil, max(l.counted, counter)
}

// count notes that a voter granted a request. A grant that arrives after a newer request was sent
// still counts, for its own send time; one for a released request never does.
func (l *lease) count(voter string, counter uint64, g granted) {
	if counter <= l.counted {
		return
	}
	for i := len(l.claims) - 1; i >= 0; i-- { // mostly the newest
		if c := &l.claims[i]; c.counter == counter {
			c.note(voter, g)
			return
		}
	}
}

// note keeps a voter's newest word.
func (c *claim) note(voter string, g granted) {
	for i := range c.granted {
		if c.granted[i].voter == voter {
			c.granted[i].granted = g
			return
		}
	}
	c.granted = append(c.granted, grantedBy{voter, g})
}

// grantOf returns a voter's grant.
func (c *claim) grantOf(voter string) (granted, bool) {
	for i := range c.granted {
		if c.granted[i].voter == voter {
			return c.granted[i].granted, true
		}
	}
	return granted{}, false
}

// matches counts the voters that granted c and recorded exactly its term.
func (c *claim) matches() int {
	n := 0
	for i := range c.granted {
		if c.granted[i].last == c.term {
			n++
		}
	}
	return n
}

// validity returns until when a majority's grants of one same request last, by the holder's clock and
// less drift and margin; zero if no request has a majority. Fresh claims also need the majority to
// have recorded the term.
func (l *lease) validity(cfg Config, voters int) Instant {
	for i := len(l.claims) - 1; i >= 0; i-- { // all ask for the same length: the newest lasts longest
		c := &l.claims[i]
		if len(c.granted) >= Majority(voters) && (c.kind != Fresh || c.matches() >= Majority(voters)) {
			return max(0, c.at.Add(cfg.shrink(c.length)-cfg.Margin))
		}
	}
	return 0
}

// outbid reports that a fresh claim has grants enough, but that some voters know a greater epoch and
// so too few recorded its term: it is to be proposed again at once.
func (l *lease) outbid(voters int) bool {
	c, ok := l.newest()
	return ok && c.kind == Fresh && len(c.granted) >= Majority(voters) &&
		c.matches() < Majority(voters) && c.matches() < len(c.granted)
}

// supersede drops the requests of a proposal that is replaced by another term.
func (l *lease) supersede() { l.claims = nil }

// newest returns the newest request.
func (l *lease) newest() (claim, bool) {
	if len(l.claims) == 0 {
		return claim{}, false
	}
	return l.claims[len(l.claims)-1], true
}

// confirm notes that a voter, in this memory, answered with the held term. It reports a change.
func (l *lease) confirm(voter string, memory uint64, last Term) bool {
	if known, ok := l.confirmed[voter]; last != l.term || ok && known == memory {
		return false
	}
	l.confirmed = maps.Clone(l.confirmed)
	if l.confirmed == nil {
		l.confirmed = map[string]uint64{}
	}
	l.confirmed[voter] = memory
	return true
}

// continuity is what one voter's newest answer says of a node's last service of a VIP.
type continuity uint8

const (
	unheard   continuity = iota // has not answered since this agent's start
	speaksFor                   // in the confirmed set, same memory, still that term
	ruledOut                    // anything else: everyone else counts as no (F8)
)

// judge says what a voter's answer means for continuing served.
func judge(confirmed map[string]uint64, served Term, voter string, memory uint64, last Term) continuity {
	if id, ok := confirmed[voter]; ok && id == memory && last == served {
		return speaksFor
	}
	return ruledOut
}
