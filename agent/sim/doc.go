// Package sim runs whole clusters in simulated time and tries to make them break their promises.
//
// The agents in it are core.Machine, as it ships. Around each stands a simulated host: a clock with a rate
// of its own, a kernel with addresses and fences, a disk, memcacheds. Between them is a network that loses,
// doubles, delays, reorders and holds back packets; in front of them are clients with ARP caches and open
// connections. Everything follows from one seed: Draw makes a Plan of it (a cluster, and what befalls it
// when), Run carries a plan out, always in the same way. Shrink looks for a smaller plan that breaks the
// same rule.
//
// The rules. Those who judge look at simulated links, memcacheds and clients' histories, never at what a
// machine believes:
//
//   - one holder: at no instant do two hosts answer on a VIP;
//   - never stale: no client reads, and no memcached holds when a VIP comes up in front of it, a version
//     older than the newest write, delete or flush that was acknowledged through that VIP;
//   - no service without proof: no VIP comes up in front of a memcached that holds or held values of it
//     and was not empty since, if others served it in between;
//   - served in time, home in time: once the faults have ended (settle.go says within what);
//   - nothing moves at rest: no address comes up and no operation fails while nothing happens;
//   - an even share: when a host dies, nobody who gets a VIP of it has two more than another;
//   - foreign hosts: no agent tries to take a VIP that was free when it saw a host there that is no member,
//     and none takes a member for such a host;
//   - invariant: what the machine asserts of itself.
//
// Where a rule would not hold by design, a plan does not ask for it: an agent is frozen, killed or told to
// leave its addresses up only where a fence covers that (Kind.allowed), a cluster without restart_command and with one instance per
// host need not serve (mustServe), and where one host is home of two VIPs on one instance, the second need
// not come home (mustComeHome). What the world leaves out: kernels that cannot destroy sockets, virtual
// machines whose clock stops, the 100 ms for which connections outlive a drop in silence, two voters of one name, a voter replaced in one step while a host has lost its
// state, and clients that use a host's own address for keys of a VIP.
package sim
