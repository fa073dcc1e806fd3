package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Strangers returns those of the given service addresses that are on a link of the calling thread's network namespace
// and were not put there by memvip, whatever their length. Those as Take would add them it refuses with ErrForeign. It changes nothing and needs no privilege.
func Strangers(ips []netip.Addr) (list []Address, err error) {
	k := &netlinkKernel{}
	defer func() {
		if err = errors.Join(err, k.close()); err != nil {
			list, err = nil, fmt.Errorf("vip: list strangers: %w", err)
		}
	}()
	if k.lists, err = openRequester(unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	links, err := k.links()
	if err != nil {
		return nil, err
	}
	there, err := k.addresses(0)
	if err != nil {
		return nil, err
	}
	for _, p := range there {
		if i := slices.IndexFunc(links, func(l Link) bool { return l.Index == p.LinkIndex }); i >= 0 && p.strange(links[i].Name, ips) {
			list = append(list, Address{Prefix: p.Prefix, Link: links[i].Name})
		}
	}
	return list, nil
}

// strange reports whether an address on the named link is one of the service addresses and none that we added.
func (p present) strange(link string, ips []netip.Addr) bool {
	return slices.Contains(ips, p.Prefix.Addr()) && !p.ours(link)
}
