package vip

import (
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Strangers returns those of the given service addresses that are on a link of the calling thread's network namespace
// and were not put there by memvip, whatever their length. Those as Take would add them it refuses with ErrForeign. It
// changes nothing and needs no privilege.
func Strangers(ips []netip.Addr) (list []Address, err error) {
	err = looking(func(k *netlinkKernel) error {
		links, err := k.links()
		if err != nil {
			return err
		}
		there, err := k.addresses(0)
		if err != nil {
			return err
		}
		for _, p := range there {
			if i := slices.IndexFunc(links, func(l Link) bool { return l.Index == p.LinkIndex }); i >= 0 && p.strange(links[i].Name, ips) {
				list = append(list, Address{Prefix: p.Prefix, Link: links[i].Name})
			}
		}
		return nil
	})
	if err != nil {
		return nil, named("list strangers", err)
	}
	return list, nil
}

// HostLinks is Links for who has no Manager yet: those of the calling thread's network namespace. It needs no privilege.
func HostLinks() (links []Link, err error) {
	err = looking(func(k *netlinkKernel) (err error) {
		links, err = sortedLinks(k)
		return err
	})
	return links, named("list links", err)
}

// looking lends what lists links and addresses of the calling thread's network namespace, and changes nothing.
func looking(look func(*netlinkKernel) error) (err error) {
	k := &netlinkKernel{}
	defer func() { err = errors.Join(err, k.close()) }()
	if k.lists, err = openRequester(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	return look(k)
}

// strange reports whether an address on the named link is one of the service addresses and none that we added.
func (p present) strange(link string, ips []netip.Addr) bool {
	return slices.Contains(ips, p.Prefix.Addr()) && !p.ours(link)
}
