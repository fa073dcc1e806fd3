// The demo is the whole main job before a reader's eyes, on one machine and in under a minute: three hosts
// in network namespaces, each with a real memcached and the built agent, and a client that makes an
// attempt through every VIP each millisecond. memcached dies and comes back; a host is cut off and comes back.
// After each step it says what the client felt, and at the end whether both promises were kept.
//
// It decides only that: zero stale reads, never two hosts answering, every VIP served again within
// servedBound, every step come about. Then it exits with 0, else with 1; after Ctrl-C with 130, as a shell has it.
//
// It never touches the machine's own interfaces, names or files, and leaves nothing behind, killed or not:
// package lab sees to that. It does not promise figures. They are those of a machine that runs three hosts and
// their client on the same cores, and what else happens to be going on there.
package main
