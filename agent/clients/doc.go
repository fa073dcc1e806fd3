// Package clients knows who is connected to which VIP: what this node has seen of those it holds, and what the other
// holders have told of theirs. Connections die with their host, and their clients do not notice until they send again or
// run out of patience; the next holder can have them reset at once, if it knows them beforehand.
//
// A Tracker turns what is seen of one VIP from time to time into a list; a Post says which node is to be told of which list
// next; a Book keeps the newest list of each VIP. All of them are bounded, whatever clients and other nodes do, and none
// reads a clock or does any I/O.
//
// No lease rests on any of this, and nothing is promised: a list may be old, short or lost. The worst that a wrong one
// costs is packets that nobody heeds.
package clients
