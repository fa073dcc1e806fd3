// Command size measures what a node and a failure cost as a cluster grows.
//
// It has two parts. Real: labs (package lab) of as many hosts as asked for, in network namespaces, with the built
// agents and real memcached; three of them vote, and each is home of one VIP. It measures processor time, memory and
// packets of voters and of the others, the time until all VIPs are up from a fresh start, and how soon VIPs are up
// elsewhere when a memcached dies, when a host is cut off, and when a tenth of all hosts is. Simulated: the same of
// clusters as large as no machine carries (package agent/sim/size), with the machine that ships in simulated time.
//
// `make bench-size` builds and runs it, and `make bench-size BENCH="-real 3,10 -sim 3,10"` passes flags. Each size is
// kept when it is done (-data), and a further call goes on from there; -report prints what there is, and -page writes it
// into BENCHMARKS.md. ../measured/size.json is what the section there was written from.
//
// What it decides: nothing. It says which of the aims are met.
//
// What it does not promise: figures of real hosts. In the labs everybody shares one kernel and its processors; in the
// simulator no packet waits for another, and an agent takes the same time for every event.
package main
