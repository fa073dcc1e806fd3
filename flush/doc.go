// Package flush empties a memcached and proves it.
//
// It decides nothing about who serves what and never retries: each function is one bounded conversation with one
// memcached, and its answer is either what was asked for or a *Refusal with a closed Reason; the state machine decides
// what follows. It never reads or writes an item, and it never takes an OK, a count of flushes or a missing key for a
// proof. A proof is emptiness: curr_items at 0 in one incarnation (pid and start), with every other figure standing
// still, or a new process that has nothing in it.
//
// The order that makes a proof sound is the caller's: the service addresses are off the host and their sockets
// destroyed, or silenced and about to be; then WatchQuiet, Prove, and Verify shortly before an address goes up. Prove itself looks for connections
// that the process accepted on a service address and has not closed: the kernel destroys a socket, but a server that
// hung, or had not yet accepted it, still executes what it had received (measured on 1.6.18: in either case a queued
// set appeared in the cache after its socket was destroyed). See Drained.
//
// What it does not promise: that nobody writes on the host's own address, or over a Unix socket, once Verify has
// looked; and nothing for a memcached in another network namespace, where what waits to be accepted cannot be seen.
package flush
