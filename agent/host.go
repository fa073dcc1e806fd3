package agent

import (
	"fmt"
	"net"
	"net/netip"

	"memvip/configs"
)

// CheckNode says whether this host could be a node of a cluster: its name, its own address, and an interface for every
// address that the node may hold.
func CheckNode(config *configs.Config, node string) error {
	if _, err := config.Self(node); err != nil {
		return err
	}
	links, err := hostLinks()
	if err != nil {
		return err
	}
	_, err = config.FitFor(node, links)
	return err
}

// hostLinks returns this host's interfaces with their addresses. Anybody may ask for them.
func hostLinks() ([]configs.Link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list this host's interfaces: %w", err)
	}
	links := make([]configs.Link, 0, len(interfaces))
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.Name, err)
		}
		links = append(links, configs.Link{Name: i.Name, Prefixes: prefixes(addrs)})
	}
	return links, nil
}

func prefixes(addrs []net.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p)
		}
	}
	return list
}
