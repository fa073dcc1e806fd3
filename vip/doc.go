// Package vip puts service addresses on the links of this host and takes them off again.
//
// A Manager is told which address is wanted and makes it so: Take adds the address, tags it as ours,
// and announces it to the neighbours at once and again on a schedule; Drop resets the TCP connections
// that use it and removes it. What a dead process left behind is found by the tag or, where a kernel keeps none, by
// what nobody else gives an address, so that one which somebody else added is never changed.
//
// WatchClaims tells what others on a link say of an address: who claims it by ARP or neighbour advertisement.
// A filter in the kernel keeps everything else away. What to do about a claim is not decided here.
//
// Connections die with their host without a word to their clients. EachConnection tells who is connected to an address, and
// Options.Former names those who were where it was before: they are sent what has the kernel reset them, once the address
// is up here and announced.
//
// The package does not decide who should own an address, and keeps no state on disk. It asks the Lease
// that came with an address after every write that could outlive it, and before every announcement, so
// that a process which was frozen in between does not take an address back that it has lost.
//
// Drop keeps to one order, because a connection can only be reset while its address is still there:
// announcements stop, connections are looked for while they are still served, the fence is closed against new packets, which it
// answers with a reset, those found are reset, the address goes, and the fence is closed against late answers. Sweep looks once
// more for connections, later. Where there is no fence that keeps these silent, or something failed, that is done before Drop
// returns, until there are none. DropSeen takes no time to look: it resets a few of the connections that EachConnection
// saw last.
//
// It does not promise that the neighbours heard the announcement, that an address is gone at the very
// moment a lease ends (the kernel removes an address that nobody prolongs some 4 s after the last
// refresh), nor that what a server already read from a connection is not carried out after its reset.
// Opening a Manager needs CAP_NET_ADMIN and CAP_NET_RAW in the network namespace it is opened in.
package vip
