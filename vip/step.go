package vip

// A Step of a call that puts an address up or takes it down. The set is closed.
type Step string

// The steps of Take, in their order, and then those of Drop and Sweep. DropSeen lists nothing as a rule; Expel, and a
// Drop that sweeps itself, take theirs in an order of their own. A step that failed is told too: what came of the call is said by its error.
const (
	StepTaking    Step = "taking"    // the call has the address to itself
	StepOpened    Step = "opened"    // the fence is open
	StepAdded     Step = "added"     // the address is on its link
	StepAnnounced Step = "announced" // the first announcement has left

	StepDropping Step = "dropping" // the call has the address to itself, and announcements have ended
	StepListed   Step = "listed"   // the connections that are to be reset have been looked for
	StepShut     Step = "shut"     // the fence is closed for packets to the address
	StepReset    Step = "reset"    // connections are destroyed while a reset can leave
	StepRemoved  Step = "removed"  // the address is off its link
	StepClosed   Step = "closed"   // the fence is closed both ways
	StepSwept    Step = "swept"    // connections that are left then are destroyed too
)
