// Package integration runs the built programs against real memcached in a lab of network namespaces and
// holds them to the two promises: no value older than the newest acknowledged one is ever read through a
// VIP, and every VIP that may be served is served, by one host.
//
// It decides nothing: what it wants is written in each test's table, what it measures comes from package
// lab, whose folder it shares with the demo and the benchmark. It never touches the machine's own
// interfaces and leaves nothing behind. It does not promise figures: times are logged and compared with
// generous bounds only, since a test shares its processors with all that it measures.
//
// The tests have the build tag "integration"; `make integration` builds the programs and runs them.
package integration
