package vip

import (
	"context"
	"net/netip"
)

// kernel is what a Manager needs of the system: the real one over netlink and a packet socket, and a
// pretended one in tests. Its methods may be called from several goroutines. Errors are the kernel's
// own numbers, possibly wrapped; a link that does not exist is ErrNoLink.
type kernel interface {
	// links returns every link with its addresses.
	links() ([]Link, error)
	// link returns one link, without its addresses: it is asked on the way to the first announcement.
	link(name string) (Link, error)
	// addresses returns what is on the link with that index, or on every link for index 0.
	addresses(index int) ([]present, error)
	// add puts an address on a link, and fails with EEXIST if the link has it, by whomever.
	add(index int, a Address) error
	// refresh starts the lifetime of an address anew. The kernel adds it if it is gone.
	refresh(index int, a Address) error
	// remove takes an address off a link, and fails with EADDRNOTAVAIL if it is not there.
	remove(index int, a Address) error
	// sockets returns the TCP connections with those local addresses, of which there are at most conditionsMax, never a
	// listening socket.
	sockets(locals ...netip.Addr) ([]socket, error)
	// destroy ends connections and returns how many of them it ended; one that is gone is no error.
	destroy([]socket) (int, error)
	// connections calls each with every established TCP connection of those local addresses, of which there are at most
	// conditionsMax. It may say one twice, and keeps nobody from the other methods.
	connections(ips []netip.Addr, each func(connection)) error
	// neighbours returns the hardware addresses known on the link with that index.
	neighbours(index int) (map[netip.Addr]MAC, error)
	// router returns the neighbour to which packets for ip go on the link with that index: ip itself if it is one. It
	// fails if they do not go that way.
	router(index int, ip netip.Addr) (netip.Addr, error)
	// send puts one Ethernet frame on the link.
	send(index int, frame []byte) error
	// sendPacket has the host send an IP packet, from an address that it has, by the way that it knows to the other end.
	sendPacket(packet []byte, from, to netip.Addr) error
	// watch calls changed once when it listens, and then after every change of links or addresses,
	// until ctx ends or changed fails. Before that it calls removed with every address that went and was not
	// taken away by this kernel's own remove, unless the kernel lost the notice.
	watch(ctx context.Context, changed func() error, removed func(removal)) error
	// overhear calls heard with every frame that somebody else sends to this host and that claims one of the
	// addresses, on any link, until ctx ends. It may add frames that claim none. heard must be quick, may be
	// called from several goroutines, and must not keep the frame.
	overhear(ctx context.Context, ips []netip.Addr, heard func(index int, frame []byte)) error
	// close releases the sockets. No other method runs or is called any more.
	close() error
}

// A socket is one TCP connection as the kernel names it.
type socket struct {
	family uint8
	// id is the kernel's name of the socket. Invariant: it holds the cookie that the kernel gave, so
	// that a request to destroy it cannot hit another socket (a listener) after it is gone.
	id [socketIDBytes]byte
	// over means that it is only remembered, in TIME_WAIT or closed by this side alone: no process reads from it.
	over bool
}

const socketIDBytes = 48
