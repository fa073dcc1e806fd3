// Package trace keeps what each step of a change of hands took: from a fault to the next holder's first
// announcement, in microseconds, on every node that has a part in it.
//
// A Recorder stands beside a node's run loop. It is told what the loop hears and orders, and what its workers have
// done, and keeps marks of those that concern a VIP's change of hands: a Mark is a step, when it was done by the
// node's own clock, and the message that it came by. Assemble puts the Journals of several nodes together: which
// mark led to which, and how far the nodes' clocks are apart, both by the messages that they exchanged.
//
// Nothing is decided here, and nothing waits for it. It does not promise to be complete: marks are kept in memory,
// so many for each VIP, and end with the agent's life. Renewals leave no marks, so a node at rest keeps none.
package trace
