// Command lease measures how short a lease may be before healthy hosts lose theirs.
//
// It builds labs of three hosts with the built agents and real memcached (package lab), one for each length and
// scheduling class, and lets them live under one stress after the other: processes that take all the processor time they
// get, garbage collection under pressure, packet loss, and two of them at once. Nothing fails, so every lease that ends
// unrenewed ended falsely. Stresses take turns slice by slice, so that noise of the machine falls on all of them.
// Where such an end is too rare to be seen, the share of a lease that was left at its renewals tells how near it
// came: agents count it (memvip_lease_renewal_left_ratio).
//
// `make bench-lease` builds and runs it, and `make bench-lease BENCH="-minutes 1"` passes flags. What was measured is kept
// after every slice (-data), and a further call goes on from there; -report prints what there is, and -page writes it
// into BENCHMARKS.md. ../measured/lease.json is what the section there was written from.
//
// What it decides: which of the measured lengths is the shortest that lost nothing under the stresses that an ordinary day
// may bring. It changes no default.
//
// What it does not promise: figures of real hosts. All agents share one kernel and its processors, and a stress of one
// host is a stress of all.
package main
