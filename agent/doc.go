// Package agent runs one node: it joins the state machine of agent/core to the kernel, to memcached and
// to the other nodes.
//
// One goroutine, the loop, owns the machine. Everything that happens reaches it as an event over one
// queue, and what the machine orders is carried out in its order: saves and messages by the loop itself,
// addresses by one goroutine for each, conversations with memcached beside each other. What comes of an
// order comes back as an event, unless it answers a question that is no longer open.
//
// The package decides nothing about leases, taint or placement. It does decide what is not done at all:
// an address whose lease is over by the time it could be put up, and a message for which the loop has
// no room.
//
// A life ends in one of two ways: the addresses are given away first, or everything stays as it is and the
// next life goes on within the leases, in another process or in this one as another program (Program). Which
// addresses stay is in the state file, so that Cleanup leaves those alone.
//
// It does not promise that addresses are down after the process was killed, since nothing here runs any
// more: the addresses' lifetime and Cleanup, called by the unit after any death, see to that. Nor are they
// after a life that left them up, when no other follows within the leases.
package agent
