// Package gossip carries the agents' messages: memberlist in and out, and the wire form of core's
// messages and node states.
//
// Two kinds of traffic share one UDP and TCP port, the keys and one label (the cluster's name).
// Messages of core go as one memberlist user message to the configured address of the node they are
// for, whatever memberlist thinks of that node's health. Node states spread by gossip, for status
// and for the choice of a successor, and reach late joiners by memberlist's push/pull.
//
// Beside them go the lists of who is connected to which VIP (clients.go), on the same terms as messages of core.
//
// What comes in is authenticated before anything looks at it, memberlist included (frame.go,
// transport.go): packets and streams that are foreign, garbled or heard before end there, each
// counted under one DropReason. What passes is either a message of core, decoded on the goroutine
// that read the socket and handed to OnMessage without waiting for any lock of memberlist's, or
// memberlist's own.
//
// A node may have several keys: it seals with the first and opens what was sealed with any of them, and may be given
// others while it runs (keys.go). Which keys, and when, is decided elsewhere.
//
// Whoever holds a key is trusted fully. A packet recorded earlier than the newest few thousand is
// not recognized as a replay; core's rules bear that, as they bear loss, doubling, delay and reordering.
//
// The package decides nothing: it does not retry messages, does not rank nodes, and what memberlist
// says of a member's health is for status only.
package gossip
