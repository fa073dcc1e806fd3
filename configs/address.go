package configs

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// noAddress says, after a text that did not parse as an address, what is wrong with it.
func noAddress(s string) string {
	if strings.Contains(s, "%") {
		return " has a zone, which is tied to one host's interface"
	}
	if strings.ContainsFunc(s, unicode.IsLetter) && strings.Count(s, ":") < 2 {
		return " is no address (names are not looked up)"
	}
	return " is no address"
}

// unfit says what keeps an address from being one host's own, in words that follow "is"; empty if nothing.
// A loopback address passes: whether it will do is the caller's to say.
func unfit(a netip.Addr) string {
	switch {
	case a.Is4In6():
		return "an IPv4 address in IPv6 clothes"
	case a.Zone() != "":
		return "tied to one host's interface by its zone"
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsMulticast():
		return "a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the broadcast address"
	default:
		return ""
	}
}

// parsePrefix reads an address with or without a prefix length; without one the prefix is the address alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if a.Zone() != "" { // which a Prefix would drop in silence
		return netip.Prefix{}, fmt.Errorf("configs: %s has a zone", s)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// unfitVIP says, as unfit does, what keeps an address from moving between hosts.
func unfitVIP(p netip.Prefix) string {
	a := p.Addr()
	switch {
	case unfit(a) != "":
		return unfit(a)
	case a.IsLoopback():
		return "a loopback address, which no client can reach"
	case a.Is6() && a.IsLinkLocalUnicast():
		return "a link-local address, which clients could use only with a zone"
	case isNetworkAddr(p):
		return "the address of its subnet, not of a host in it"
	case isBroadcastAddr(p):
		return "the broadcast address of its subnet"
	default:
		return ""
	}
}

func prefixBitsMin(a netip.Addr) int {
	if a.Is4() {
		return prefixBitsMinV4
	}
	return prefixBitsMinV6
}

// isNetworkAddr reports whether an IPv4 address is the first of its subnet, which is no host's.
func isNetworkAddr(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() <= 30 && p.Masked().Addr() == p.Addr()
}

// isBroadcastAddr reports whether an IPv4 address is the last of its subnet.
func isBroadcastAddr(p netip.Prefix) bool {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return false
	}
	return !p.Contains(p.Addr().Next())
}
