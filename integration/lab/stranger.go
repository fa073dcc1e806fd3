package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Stranger is a host on the switch that no agent knows and on which nothing runs. It does with addresses what
// a misconfigured host does.
type Stranger struct {
	node *node
	mac  [6]byte
}

const (
	strangerName = "stranger"
	strangerPort = 7
)

// AddStranger puts a stranger into the lab; a lab has room for one. It goes with the lab. When AddStranger returns,
// what the stranger says is heard: ctx bounds the wait for its switch port.
func (l *Lab) AddStranger(ctx context.Context) (*Stranger, error) {
	n, err := l.bystander(strangerName, strangerPort)
	if err != nil {
		return nil, err
	}
	l.onClose(func() { _ = errors.Join(l.net.disconnect(n.name), n.close()) })
	const nobody = 9 // listens there, and the refusal shows that the way is free
	conn, err := n.dial(ctx, netip.AddrPortFrom(labAddr(watchPort), nobody))
	switch {
	case err == nil:
		return nil, fmt.Errorf("lab: %s: somebody listens on port %d of %s: %w", n.name, nobody, watchName, conn.Close())
	case !errors.Is(err, unix.ECONNREFUSED):
		return nil, fmt.Errorf("lab: %s: reach the others: %w", n.name, err)
	}
	return &Stranger{node: n, mac: portMAC(strangerPort)}, nil
}

// MAC is the stranger's hardware address.
func (s *Stranger) MAC() string { return macString(s.mac) }

// Take adds an address to the stranger's eth0: its kernel answers for it from now on.
func (s *Stranger) Take(vip netip.Addr) error { return s.node.address("add", vip, s.node.nl.AddrAdd) }

// Drop removes it.
func (s *Stranger) Drop(vip netip.Addr) error {
	return s.node.address("delete", vip, s.node.nl.AddrDel)
}

// Announce sends one gratuitous ARP for an address, whether the stranger has it or not.
func (s *Stranger) Announce(vip netip.Addr) error { return s.node.announce(vip, s.mac) }

// address adds an address to eth0 or removes it.
func (n *node) address(verb string, vip netip.Addr, op func(netlink.Link, *netlink.Addr) error) error {
	eth0, err := n.eth0()
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: vip.AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if err := op(eth0, addr); err != nil {
		return fmt.Errorf("lab: %s: %s %s: %w", n.name, verb, vip, err)
	}
	return nil
}

// announce sends one gratuitous ARP for an address.
func (n *node) announce(vip netip.Addr, mac [6]byte) error {
	frame := arpFrame{to: broadcastMAC, from: mac, op: arpRequest, senderMAC: mac, senderIP: vip, targetIP: vip}
	eth0, err := n.eth0()
	if err != nil {
		return err
	}
	err = inNamespace(int(n.ns), func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, frame.append(nil), 0, &unix.SockaddrLinklayer{Ifindex: eth0.Attrs().Index})
	})
	if err != nil {
		return fmt.Errorf("lab: %s: announce %s: %w", n.name, vip, err)
	}
	return nil
}
