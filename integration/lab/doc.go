// Package lab is a machine room in one machine: hosts, a switch, real memcached, real agents, and
// clients that notice everything.
//
// A host is a network namespace with one cable (a veth pair) to a bridge, which lives in a namespace
// of its own. Each host runs Debian's memcached and, when asked, the built agent, or keepalived in its
// place, as what the agent is compared with. A lab can kill, freeze, cut, isolate and heal them.
// Meanwhile a Client reads and writes through every VIP each millisecond, keeps who answered and when,
// and judges every value it reads; a Watcher keeps every gratuitous ARP and asks every host whether it
// answers for every VIP. Demo, tests and benchmark are all written in these words, so that they measure
// alike.
//
// # What it decides
//
// Only what happened: which host answered which attempt, how long nobody answered, whether a value
// was stale, whether two hosts answered for one address. It holds no opinion on who should have.
//
// # What it never does
//
// It never touches the machine's own interfaces, names or files. Enter moves the process into a
// private mount namespace whose /run is a fresh tmpfs; named network namespaces, logs, keys and
// sockets live there and vanish with the last process, kill -9 included. Every process it starts
// dies with the lab (PR_SET_PDEATHSIG). It needs memcached, keepalived where that is asked for, and no
// other program.
//
// # What it does not promise
//
// All hosts share one kernel, its clock and its cores: there is no network latency, and a starved
// client measures its own starvation (Record.Stalls tells when). A duplicate address that lasts
// less than the watcher's interval may go unseen. A simulated power cut destroys the namespace; it
// cannot lose what the kernel already sent.
package lab
