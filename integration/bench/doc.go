// Command bench measures what faults cost the clients of a memvip cluster.
//
// It builds labs of network namespaces with real memcached and the built agents (package lab), strikes them
// with one fault at a time, and prints for each fault how long clients were without an answer, how soon
// the new holder announced itself, how many operations failed, for how long two hosts answered, and how many
// reads were stale. `make bench` builds and runs it; `make bench BENCH="-runs 2 -fault host-cut"` passes flags.
//
// Two clients look at every run at the same time: an open loop, which begins an operation through every VIP
// each millisecond whatever is unanswered, and a closed loop, one connection for each VIP with time-outs of
// 100 ms, which is the client of the keepalived baseline. The faults take turns, so that noise of the machine
// falls on all of them, and every round begins with fresh hosts. Each VIP has an instance of its own, and
// a run begins only when every VIP is at home and every other host is proved clean for it.
//
// What it decides: whether a promise was broken. Its exit code is 1 if a stale value was read or two hosts
// answered for one VIP outside the faults that freeze or kill the agent (those are counted and printed), if
// a VIP was not served again, or if the series could not be finished; 2 if it was called wrongly; else 0.
// Times never decide: they are printed beside what is aimed at.
//
// What it never does: touch the machine's own interfaces or leave anything behind.
//
// What it does not promise: figures of real hosts. Everything shares one kernel and its processors, and there
// is no network latency. The load average and the client's longest stall are printed for that reason.
package main
