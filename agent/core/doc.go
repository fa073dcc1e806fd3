// Package core decides which host holds each virtual address, and whether a memcached may serve it.
//
// A Machine is told what happened (events) and answers with what to do (effects). It performs no
// I/O, starts no goroutine, reads no clock and draws no random number of its own: time and entropy
// arrive in the call, so the same events always give the same effects. testdata holds such runs as
// text. The guarantees it keeps, and what they assume, are numbered in ARCHITECTURE.md and asserted
// after every step in invariant.go.
//
// Read it in this order: message.go (what nodes say to each other), voter.go (who may grant what) and hints.go (who is told),
// lease.go (what one node counts as a lease) and site.go (what else it knows of a VIP), then candidate.go
// and holder.go (how a node uses them),
// gate.go (when a cache is clean), handback.go, conflict.go (what others say of an address) and machine.go.
//
// The core does not know sockets, files, addresses on links, or memcached's protocol. It does not
// promise anything on a host whose clock runs outside the configured drift bound.
package core
