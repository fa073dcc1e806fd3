package control

import (
	"net/netip"
	"slices"
)

// FindVIP returns a VIP by its address, however that is spelt.
func (r Report) FindVIP(address string) (VIP, bool) {
	if ip, err := netip.ParseAddr(address); err == nil {
		address = ip.String()
	}
	i := slices.IndexFunc(r.VIPs, func(v VIP) bool { return v.Address == address })
	if i < 0 {
		return VIP{}, false
	}
	return r.VIPs[i], true
}

// FindNode returns a node by its name.
func (r Report) FindNode(name string) (Node, bool) {
	i := slices.IndexFunc(r.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, false
	}
	return r.Nodes[i], true
}

// NodeNames lists the configured nodes.
func (r Report) NodeNames() []string {
	return each(r.Nodes, func(n Node) string { return n.Name })
}

// VIPNames lists the addresses of the configured VIPs.
func (r Report) VIPNames() []string {
	return each(r.VIPs, func(v VIP) string { return v.Address })
}
