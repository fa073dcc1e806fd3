package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// network is the switch: a bridge in a namespace of its own, with one port for each cable.
type network struct {
	sw     *node
	bridge netlink.Link
	ports  map[string]*port
	parted map[parting]bool
}

// parting is one direction in which nothing passes, by port names.
type parting struct{ from, to string }

// port is the switch's end of a cable.
type port struct {
	name string // of the node at the other end
	link netlink.Link
}

const switchName = "switch"

func newNetwork(l *Lab) (*network, error) {
	sw, err := l.newNode(switchName)
	if err != nil {
		return nil, err
	}
	n := &network{sw: sw, ports: map[string]*port{}, parted: map[parting]bool{}}
	if err := n.build(); err != nil {
		return nil, errors.Join(err, sw.close())
	}
	return n, nil
}

func (n *network) build() error {
	// The switch switches; it has no addresses of its own and asks no firewall made for routers.
	for _, name := range []string{"ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6"} {
		if err := n.sw.sysctl(name, "1"); err != nil && !isMissing(err) {
			return err
		}
	}
	snoop := false
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snoop}
	br.Name = "br0"
	if err := n.sw.nl.LinkAdd(br); err != nil {
		return fmt.Errorf("lab: add bridge: %w", err)
	}
	for _, table := range []string{"iptables", "ip6tables", "arptables"} {
		if err := n.sw.sysctl("bridge/bridge-nf-call-"+table, "0"); err != nil && !isMissing(err) {
			return err
		}
	}
	link, err := n.sw.nl.LinkByName("br0")
	if err == nil {
		err = n.sw.nl.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("lab: bring bridge up: %w", err)
	}
	n.bridge = link
	return nil
}

// connect lays a cable from the node to the switch and gives eth0 its address.
func (n *network) connect(to *node, addr netip.Prefix) error {
	mac := portMAC(int(addr.Addr().As4()[3]))
	cable := &netlink.Veth{
		LinkAttrs:        netlink.NewLinkAttrs(),
		PeerName:         "eth0",
		PeerNamespace:    netlink.NsFd(int(to.ns)),
		PeerHardwareAddr: mac[:],
	}
	cable.Name = "p-" + to.name
	if err := n.sw.nl.LinkAdd(cable); err != nil {
		return fmt.Errorf("lab: lay cable to %s: %w", to.name, err)
	}
	link, err := n.sw.nl.LinkByName(cable.Name)
	if err != nil {
		return fmt.Errorf("lab: find port of %s: %w", to.name, err)
	}
	n.ports[to.name] = &port{name: to.name, link: link}
	if err := n.plug(to.name); err != nil {
		return err
	}
	eth0, err := to.eth0()
	if err != nil {
		return err
	}
	ip := &netlink.Addr{IPNet: &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), 32)}}
	if err := to.nl.AddrAdd(eth0, ip); err != nil {
		return fmt.Errorf("lab: %s: add %s to eth0: %w", to.name, addr, err)
	}
	if err := to.nl.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("lab: %s: bring eth0 up: %w", to.name, err)
	}
	return nil
}

// disconnect takes the cable away, both ends.
func (n *network) disconnect(name string) error {
	p, ok := n.ports[name]
	if !ok {
		return nil // it was never laid as a whole
	}
	delete(n.ports, name)
	if err := n.sw.nl.LinkDel(p.link); err != nil {
		return fmt.Errorf("lab: take away the cable of %s: %w", name, err)
	}
	return n.mend(name)
}

// plug puts a port into service: in the bridge and up.
func (n *network) plug(name string) error {
	p := n.ports[name]
	if err := n.sw.nl.LinkSetMaster(p.link, n.bridge); err != nil {
		return fmt.Errorf("lab: put the port of %s into the bridge: %w", name, err)
	}
	if err := n.sw.nl.LinkSetUp(p.link); err != nil {
		return fmt.Errorf("lab: bring the port of %s up: %w", name, err)
	}
	return nil
}

// silence takes a port out of the bridge: nothing passes, but the node's carrier stays.
func (n *network) silence(name string) error {
	if err := n.sw.nl.LinkSetNoMaster(n.ports[name].link); err != nil {
		return fmt.Errorf("lab: take the port of %s out of the bridge: %w", name, err)
	}
	return nil
}

// unplug takes a port down: the node loses its carrier.
func (n *network) unplug(name string) error {
	if err := n.sw.nl.LinkSetDown(n.ports[name].link); err != nil {
		return fmt.Errorf("lab: take the port of %s down: %w", name, err)
	}
	return nil
}

// part drops everything in the given directions from now on, at once for all.
func (n *network) part(partings ...parting) error {
	for _, p := range partings {
		n.parted[p] = true
	}
	return n.applyPartings()
}

// mend ends every parting that names the port; no name stands for all.
func (n *network) mend(name string) error {
	before := len(n.parted)
	for p := range n.parted {
		if name == "" || p.from == name || p.to == name {
			delete(n.parted, p)
		}
	}
	if len(n.parted) == before {
		return nil
	}
	return n.applyPartings()
}

func (n *network) applyPartings() error {
	var pairs []pair
	for p := range n.parted {
		from, to := n.ports[p.from], n.ports[p.to]
		if from == nil || to == nil {
			continue // a host without power
		}
		pairs = append(pairs, pair{uint32(from.link.Attrs().Index), uint32(to.link.Attrs().Index)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.from != b.from {
			return int(a.from) - int(b.from)
		}
		return int(a.to) - int(b.to)
	})
	return n.sw.thread.do(dropBatch(pairs).commit)
}

func isMissing(err error) bool { return errors.Is(err, unix.ENOENT) }
