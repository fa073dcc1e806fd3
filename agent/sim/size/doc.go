// Package size lets large clusters live in simulated time, to find out what a node and a failure cost as a cluster
// grows. Every node is the machine of agent/core as it ships, beside a network, disks, addresses and memcacheds that
// do what is ordered after a time drawn from a seed: the same seed gives the same course of events.
//
// It decides nothing and judges no promise: those are agent/sim's to break, in small clusters with clients and many
// faults. Here there are no clients and hardly any faults: hosts die, or a memcached exits.
//
// What it does not promise: that simulated time is real time. An agent handles one event after the other, and
// takes Costs.Step for each; what a step really took of this machine's processor is counted beside, and moves no event.
// Nor are the packets all that a real node exchanges: memberlist's own, the same for every node at any size, are left
// out, and a state goes to every other node as one packet.
package size
