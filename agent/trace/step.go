package trace

// A Step is something that has been done on the way of a VIP from one node to the next. The set is closed.
type Step string

// The steps, in the order in which they are taken when memcached dies on a holder; of Listed, Swept and Checking see there.
const (
	Failed  Step = "failed"  // the process ended: the kernel's own time of it
	Noticed Step = "noticed" // the prober knows that the instance is down
	Decided Step = "decided" // the machine has ordered the address down

	StandBySent  Step = "stand_by_sent"
	StandByHeard Step = "stand_by_heard"

	Dropping Step = "dropping" // the order has reached the address's worker
	Listed   Step = "listed"   // its connections have been looked for, which is not done where those will do that are known
	Shut     Step = "shut"     // the fence is closed for packets to the address
	Reset    Step = "reset"    // its connections are destroyed, while a reset can leave
	Removed  Step = "removed"  // the address is off its link
	Closed   Step = "closed"   // the fence is closed both ways
	Swept    Step = "swept"    // what had connected meanwhile is destroyed too; nobody waits for it where a fence keeps that silent
	Down     Step = "down"     // the machine knows that it is down

	ReleaseSent  Step = "release_sent"
	ReleaseHeard Step = "release_heard"
	Saved        Step = "saved" // the state file holds what was decided before
	AckSent      Step = "ack_sent"
	AckHeard     Step = "ack_heard"
	Free         Step = "free" // a voter finds that nobody has the VIP any more
	HintSent     Step = "hint_sent"
	HintHeard    Step = "hint_heard"

	Asked       Step = "asked" // the machine has begun to ask for the VIP
	ClaimSent   Step = "claim_sent"
	ClaimHeard  Step = "claim_heard"
	AnswerSent  Step = "answer_sent"
	AnswerHeard Step = "answer_heard"
	Won         Step = "won" // a majority granted it

	Checking Step = "checking" // memcached is being asked whether it is as proved; while the former holder's address goes down, or beside the claim, as a rule
	Checked  Step = "checked"  // it is
	Ordered  Step = "ordered"  // the machine has ordered the address up

	Taking    Step = "taking"    // the order has reached the address's worker
	Opened    Step = "opened"    // the fence is open
	Added     Step = "added"     // the address is on its link
	Announced Step = "announced" // the first ARP or neighbour advertisement has left
	Up        Step = "up"        // the machine knows that it is up
)

// A Kind says what the time up to a step was spent on. The set is closed.
type Kind string

// The kinds.
const (
	Noticing  Kind = "noticing"
	Deciding  Kind = "deciding" // the machine, and the ways between its goroutines
	Packets   Kind = "packets"
	Disk      Kind = "disk"
	Memcached Kind = "memcached"
	Netlink   Kind = "netlink"
	ARP       Kind = "arp"
)

// Kinds returns all of them, in the order in which they come up.
func Kinds() []Kind { return []Kind{Noticing, Deciding, Packets, Disk, Memcached, Netlink, ARP} }

// step is what is known of a Step.
type step struct {
	kind Kind
	// after are the steps that may have led to it on the same node: the newest of them did. To a step that has none
	// before it, nothing is known to lead.
	after  []Step
	atOnce bool   // only one that was taken for the same event counts
	from   Step   // the step on the other node that leads to it, by message; "" for one that no message brings
	words  string // what was done, in short; %s is the other node
}

var steps = map[Step]step{
	Failed:  {kind: Noticing, words: "memcached ends"},
	Noticed: {kind: Noticing, after: []Step{Failed}, atOnce: true, words: "noticed"},
	Decided: {kind: Deciding, after: []Step{Noticed}, atOnce: true, words: "decided"},

	StandBySent:  {kind: Packets, after: []Step{Decided}, words: "tells %s to stand by"},
	StandByHeard: {kind: Packets, words: "stands by for %s"},

	Dropping: {kind: Deciding, after: []Step{Decided}, words: "worker"},
	Listed:   {kind: Netlink, after: []Step{Dropping}, words: "connections found"},
	Shut:     {kind: Netlink, after: []Step{Listed, Dropping}, words: "fence shut to new packets"},
	Reset:    {kind: Netlink, after: []Step{Shut, Removed}, words: "connections reset"},
	Removed:  {kind: Netlink, after: []Step{Reset, Shut}, words: "address removed"},
	Closed:   {kind: Netlink, after: []Step{Swept, Removed, Reset, Shut}, words: "fence shut"},
	Swept:    {kind: Netlink, after: []Step{Closed, Removed, Reset}, words: "none left"},
	Down:     {kind: Deciding, after: []Step{Closed, Swept, Removed}, words: "known to be down"},

	ReleaseSent:  {kind: Packets, after: []Step{Down, Decided}, words: "release to %s"},
	ReleaseHeard: {kind: Packets, from: ReleaseSent, words: "release from %s"},
	Saved:        {kind: Disk, after: []Step{Won, Asked, ClaimHeard, ReleaseHeard, Down}, words: "state file"},
	AckSent:      {kind: Packets, after: []Step{Saved, ReleaseHeard}, words: "confirmed to %s"},
	AckHeard:     {kind: Packets, from: AckSent, words: "confirmed by %s"},
	Free:         {kind: Noticing, words: "lease over"},
	HintSent:     {kind: Packets, after: []Step{Saved, ReleaseHeard, Down, Free}, words: "hint to %s"},
	HintHeard:    {kind: Packets, from: HintSent, words: "hint from %s"},

	Asked:       {kind: Deciding, after: []Step{HintHeard, Free, Saved, ReleaseHeard}, atOnce: true, words: "asks"},
	ClaimSent:   {kind: Packets, after: []Step{Asked}, words: "claim to %s"},
	ClaimHeard:  {kind: Packets, from: ClaimSent, words: "claim from %s"},
	AnswerSent:  {kind: Packets, after: []Step{Saved, ClaimHeard}, words: "answer to %s"},
	AnswerHeard: {kind: Packets, from: AnswerSent, words: "answer from %s"},
	Won:         {kind: Deciding, after: []Step{AnswerHeard, Saved}, words: "majority"},

	Checking: {kind: Deciding, after: []Step{Won, Asked, StandByHeard}, words: "asks memcached"},
	Checked:  {kind: Memcached, after: []Step{Won, Saved, Checking}, words: "proof stands"},
	Ordered:  {kind: Deciding, after: []Step{Checked, Saved, Won}, words: "ordered up"},

	Taking:    {kind: Deciding, after: []Step{Ordered}, words: "worker"},
	Opened:    {kind: Netlink, after: []Step{Taking}, words: "fence open"},
	Added:     {kind: Netlink, after: []Step{Opened, Taking}, words: "address added"},
	Announced: {kind: ARP, after: []Step{Added, Opened, Taking}, words: "first announcement"},
	Up:        {kind: Deciding, after: []Step{Announced, Added}, words: "known to be up"},
}
