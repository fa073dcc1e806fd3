package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Link is a network interface of this host as it is now: its name and its addresses with their prefixes.
type Link struct {
	Name     string
	Prefixes []netip.Prefix
}

// FitFor finds the interface for every VIP that a node may ever hold, see Eligible and LinkFor. The map holds what was
// found even if the error, which joins an *Error for each VIP that fits nowhere, and for the node's own address if no
// interface has it, is not nil.
func (c *Config) FitFor(node string, links []Link) (map[netip.Addr]string, error) {
	fits := map[netip.Addr]string{}
	var faults []error
	if self, ok := c.Member(node); ok {
		_, err := c.OwnLink(self, links)
		faults = append(faults, err)
	}
	for _, v := range c.Eligible(node) {
		name, err := c.LinkFor(v, links)
		if faults = append(faults, err); err == nil {
			fits[v.Prefix.Addr()] = name
		}
	}
	return fits, errors.Join(faults...)
}

// OwnLink returns the interface that has a node's own address, from which it speaks with the others, or an *Error if
// none has.
func (c *Config) OwnLink(node Member, links []Link) (string, error) {
	for _, l := range links {
		if slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return isLocalBy(node.Addr, p) }) {
			return l.Name, nil
		}
	}
	return "", &Error{
		File: c.Path, Line: c.votersLine, Key: "cluster.voters", Found: fmt.Sprintf("no interface has %s, the address of %s", node.Addr, node.Name),
		Expected: "an address of this host (" + showLinks(links) + ")",
	}
}

// isLocalBy reports whether an address is the host's own because an interface has the prefix. All of a loopback's is.
func isLocalBy(a netip.Addr, p netip.Prefix) bool {
	return p.Addr() == a || a.IsLoopback() && p.Contains(a)
}

// LinkFor returns the interface for a VIP: the one that the file names, or else the one whose subnet the address is in,
// the narrowest subnet if several nest. The error is an *Error.
func (c *Config) LinkFor(v VIP, links []Link) (string, error) {
	name, e := fitOne(v, links)
	if e != nil {
		e.File = c.Path
		return "", e
	}
	return name, nil
}

func fitOne(v VIP, links []Link) (string, *Error) {
	if v.Interface != "" {
		return fitNamed(v, links)
	}
	vip := v.Prefix.Addr()
	var best netip.Prefix
	var found []string
	for _, l := range links {
		p, ok := subnetOf(vip, l)
		switch {
		case !ok || (len(found) > 0 && p.Bits() < best.Bits()):
		case len(found) > 0 && p.Bits() == best.Bits():
			found = append(found, l.Name)
		default:
			best, found = p, []string{l.Name}
		}
	}
	switch {
	case len(found) == 0:
		return "", &Error{Line: v.line, Key: "vip.address", Found: fmt.Sprintf("no interface fits %s", vip), Expected: "a subnet of this host (" + showLinks(links) + "), or an interface named in the vip"}
	case len(found) > 1:
		return "", &Error{Line: v.line, Key: "vip.address", Found: fmt.Sprintf("%s fits %s alike", vip, strings.Join(found, " and ")), Expected: "an interface named in the vip"}
	case isNetworkAddr(netip.PrefixFrom(vip, best.Bits())):
		return "", &Error{Line: v.line, Key: "vip.address", Found: fmt.Sprintf("%s is the address of the subnet of %s", vip, found[0]), Expected: "an address of a host in it"}
	case isBroadcastAddr(netip.PrefixFrom(vip, best.Bits())):
		return "", &Error{Line: v.line, Key: "vip.address", Found: fmt.Sprintf("%s is the broadcast address of %s", vip, found[0]), Expected: "an address of a host in it"}
	default:
		return found[0], nil
	}
}

// fitNamed takes the interface that the file names, whatever subnets it has.
func fitNamed(v VIP, links []Link) (string, *Error) {
	for _, l := range links {
		if l.Name == v.Interface {
			return l.Name, nil
		}
	}
	return "", &Error{Line: v.interfaceLine, Key: "vip.interface", Found: fmt.Sprintf("no interface %s for %s", quote(v.Interface), v.Prefix.Addr()), Expected: "one that this host has (" + showLinks(links) + ")"}
}

// subnetOf returns the narrowest subnet of the link that the VIP is in. An address without neighbours (/32) is
// no subnet, nor is the VIP itself, left over from an earlier life.
func subnetOf(vip netip.Addr, l Link) (best netip.Prefix, ok bool) {
	for _, p := range l.Prefixes {
		if p.Addr() == vip || p.IsSingleIP() || !p.Contains(vip) {
			continue
		}
		if !ok || p.Bits() > best.Bits() {
			best, ok = p, true
		}
	}
	return best, ok
}

// showLinks lists what was looked at.
func showLinks(links []Link) string {
	if len(links) == 0 {
		return "it has none"
	}
	list := make([]string, len(links))
	for i, l := range links {
		words := []string{l.Name}
		for _, p := range l.Prefixes {
			words = append(words, p.String())
		}
		if len(l.Prefixes) == 0 {
			words = append(words, "without address")
		}
		list[i] = strings.Join(words, " ")
	}
	return strings.Join(list, "; ")
}
