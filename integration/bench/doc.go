// Command bench measures what faults cost the clients of a memvip cluster, and of keepalived in its place.
//
// It builds labs of network namespaces with real memcached and the built agents, or keepalived (package lab), strikes
// them with one fault at a time, and prints for each fault how long clients were without an answer, how soon
// the new holder announced itself, how many operations failed, for how long two hosts answered, and how many
// reads were stale; what managers cost while nothing happens; and what they do beside busy loops. `make bench`
// runs memvip alone, `make bench BENCH="-runs 2 -fault host-cut"` passes flags; `make bench-peers` runs every
// contender, compares, and writes BENCHMARKS.md.
//
// Three clients look at every run at the same time: an open loop, which begins an operation through every VIP
// each millisecond whatever is unanswered, a closed loop, one connection for each VIP with time-outs of
// 100 ms, and another with time-outs of 3 s, as clients have that nobody tuned. Contenders and faults take turns, so
// that noise of the machine falls on all of them, and every round begins with fresh hosts. Each VIP has an instance
// of its own, and a run begins only when every VIP is at home and every other host is proved clean for the one that
// is struck. With -json every run is kept, and a series that was stopped goes on where it was. measured/peers.json is the
// series that BENCHMARKS.md shows, and names its program: copied to bin/bench-peers.json, make bench-peers goes on with it, on
// the same kind of machine and for as long as the programs stay as they are.
//
// What it decides: whether a promise of memvip's was broken. Its exit code is 1 if a stale value was read or two hosts
// answered for one VIP, if a VIP was not served again, or if the series could not be finished; 2 if it was called
// wrongly; else 0. Times never decide: they are printed beside what is asked for. Nothing that keepalived does decides.
//
// What it never does: touch the machine's own interfaces or leave anything behind but the files it was told to write.
//
// What it does not promise: figures of real hosts. Everything shares one kernel and its processors, and there
// is no network latency. The load average and the client's longest stall are printed for that reason.
package main
