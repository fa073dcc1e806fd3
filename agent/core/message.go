package core

import "time"

// Message is what one node tells another. Every message may be lost, doubled, delayed or reordered;
// no rule depends on any of them arriving.
type Message interface{ message() }

// Must holds the features a receiver has to understand to handle a message safely. A voter refuses a
// claim with a bit it does not know, instead of skipping what the bit stands for.
type Must uint32

// understood is what this version understands.
const understood Must = 0

// ListID names a voter list and the one it came from, by digest. A voter accepts claims made under
// its own list, the one before, or the one after (F13).
type ListID struct {
	Digest   uint64
	Previous uint64
}

// Kind says what a claim's entry asks for.
type Kind uint8

const (
	Fresh        Kind = iota + 1 // proposes a new term
	Continuation                 // asks to go on with a term of the node's own
	Renewal                      // prolongs the term the node holds
)

func (k Kind) String() string {
	switch k {
	case Fresh:
		return "fresh"
	case Continuation:
		return "continuation"
	case Renewal:
		return "renewal"
	}
	return "unknown kind"
}

// ClaimEntry asks for one name.
type ClaimEntry struct {
	Name Name
	Kind Kind
	Term Term
}

// Claim asks a voter for leases, and is a node's heartbeat when it has no entries (F17).
type Claim struct {
	From    Claimant
	Counter uint64
	Life    uint64        // random per agent start; answers repeat it, so that answers to a former life never count (F2)
	Echo    uint64        // the voter's incarnation as last heard; 0 if unknown (F1)
	Seen    uint64        // the voter's edition as last heard; 0 if unknown
	List    ListID        // the voter list the node counts a majority of
	Must    Must          // what the voter has to understand
	Length  time.Duration // how long a grant is to last, from the moment it is given (F5)
	Entries []ClaimEntry
	State   NodeState

	// Unchanged says that the voter knows the node's state already: State then holds no more than the version that is
	// still true.
	Unchanged bool
}

// Request returns the claim's number.
func (c Claim) Request() Request { return Request{c.From.Start, c.Counter} }

// Refusal says why a voter did not grant.
type Refusal uint8

const (
	NotRefused       Refusal = iota
	WrongIncarnation         // the claim was meant for another life of this voter (F1)
	Silent                   // the voter lost its state and waits until grants it may have given are over (F4)
	NotUnderstood            // the claim needs something this version does not know
	OtherList                // the claim counts another voter list (F13)
	SameName                 // another host claims under this name (F6)
	TooLong                  // the claim's length is out of range (F5)
	OldRequest               // not newer than the newest request seen, or released (F15)
	Held                     // another node has the grant
	Reserved                 // the last holder named another node as its successor
)

func (r Refusal) String() string {
	switch r {
	case NotRefused:
		return "granted"
	case WrongIncarnation:
		return "wrong_incarnation"
	case Silent:
		return "silent"
	case NotUnderstood:
		return "not_understood"
	case OtherList:
		return "other_list"
	case SameName:
		return "same_name"
	case TooLong:
		return "too_long"
	case OldRequest:
		return "old_request"
	case Held:
		return "held"
	case Reserved:
		return "reserved"
	}
	return "unknown refusal"
}

// AnswerEntry is what a voter says of one name: the verdict on the claim's entry, if there was one,
// and how the name stands with this voter after the claim was handled. A name stands as it did if an answer says nothing
// of it, and its grant, if it has one, is not late; see lateFrom. Only of very many late ones some go unsaid.
type AnswerEntry struct {
	Name    Name
	Asked   bool    // the claim had an entry for this name
	Refused Refusal // NotRefused and Asked: granted
	Above   bool    // refused because of a rival candidate that ranks above the claimant (F16)
	Holding bool    // the grantee has renewed: it holds, it is no mere candidate
	Rank    int     // the claimant's place among the candidates, 0 the best

	Last    Term          // last recorded term
	Grantee string        // node with an unexpired grant, "" if none
	Left    time.Duration // until grant or reservation run out
}

// Answer is a voter's reply to a claim.
type Answer struct {
	Voter       string
	Incarnation uint64
	Memory      uint64 // random id of the voter's memory, new when its state was lost (F8)
	Life        uint64 // of the claim
	Request     Request
	Refused     Refusal // of the claim as a whole; Silent still teaches terms
	Other       string  // for SameName: where the other host with this name speaks from
	Left        time.Duration
	Newest      Request // newest request this voter has seen from the node
	List        ListID
	Knows       uint64 // the version of the claimant's state that the voter has; 0: none of this life's
	Edition     uint64 // of what the voter says of all names, as far as the claimant knows with this answer
	Entries     []AnswerEntry
}

// ReleaseEntry gives one name up. A named successor gets the name reserved for one lease.
type ReleaseEntry struct {
	Name      Name
	Successor string
}

// Release cancels the sender's request and all older ones for the names. It is sent only when the
// address is off its link, its sockets are destroyed or silenced as far as the kernel allows (F3).
type Release struct {
	From    Claimant
	Counter uint64
	Echo    uint64
	Length  time.Duration
	Entries []ReleaseEntry
}

// Request returns the number up to which requests are cancelled.
func (r Release) Request() Request { return Request{r.From.Start, r.Counter} }

// Ack confirms a release, or says that it was meant for another life of the voter.
type Ack struct {
	Voter       string
	Incarnation uint64
	Request     Request
	Refused     Refusal
}

// Hint tells a node that it is the best candidate for a name nobody holds. It is no more than a
// hint: lost, doubled or late it changes when a claim is made, never what is granted.
type Hint struct {
	Voter   string
	Name    Name
	Last    Term
	By      string // who reserved the name for this node, "" if the name is simply free
	Tainted bool   // no clean candidate has been seen for two leases; it is the tainted node's turn

	Incarnation uint64 // of the voter
	Edition     uint64 // of what the voter said of all names when it wrote this
}

// Ask is a home asking the holder of its VIP for a hand-back.
type Ask struct {
	From   string
	Name   Name
	Final  bool   // the home has the hand-back slot and takes the address as soon as it is free
	Proof  Proof  // zero: none yet
	Over   Term   // the VIP's term that the home knew before it sent the flush
	Served Term   // the home's own last service of the VIP
	Why    string // without a proof: what the home is waiting for
}

// AskRefusal says why a holder does not hand a VIP back.
type AskRefusal uint8

const (
	AskAccepted  AskRefusal = iota
	AskNotHolder            // the node asked does not hold the VIP
	AskNotHome              // the asking node is not the VIP's home
	AskNoProof              // no proof of a flush
	AskOldProof             // the proof is not over a term later than the home's own last service
	AskNotYet               // proof accepted; the home has not taken the hand-back slot yet
	AskUnderway             // the hand-back is under way
)

func (r AskRefusal) String() string {
	switch r {
	case AskAccepted:
		return "accepted"
	case AskNotHolder:
		return "not_holder"
	case AskNotHome:
		return "not_home"
	case AskNoProof:
		return "no_proof"
	case AskOldProof:
		return "old_proof"
	case AskNotYet:
		return "proof_accepted"
	case AskUnderway:
		return "under_way"
	}
	return "unknown"
}

// AskReply is the holder's answer to an Ask.
type AskReply struct {
	From    string
	Name    Name
	Term    Term
	Refused AskRefusal
}

// StandBy tells the node that is about to be named successor that the holder's address is on its way down. It grants nothing and
// may be lost: what has to be known before the address goes up is then asked with the claim.
type StandBy struct {
	From string
	Name Name
}

// Decline tells a releaser that the successor it named does not take the name.
type Decline struct {
	From string
	Name Name
}

func (Claim) message()    {}
func (Answer) message()   {}
func (Release) message()  {}
func (Ack) message()      {}
func (Hint) message()     {}
func (Ask) message()      {}
func (AskReply) message() {}
func (StandBy) message()  {}
func (Decline) message()  {}
