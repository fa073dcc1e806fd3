package vip

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// tagProtocol marks our addresses in the kernel (IFA_PROTO, Linux 5.18): 'm'. The kernel uses 1 to 3.
	tagProtocol = 'm'
	// tagSuffix follows the link's name in the label of an IPv4 address, where `ip address` shows it.
	tagSuffix = ":mv"
	// labelBytesMax is the longest label the kernel takes (IFNAMSIZ - 1).
	labelBytesMax = unix.IFNAMSIZ - 1
)

// flags returns what every address of ours carries: no route for its prefix, and for IPv6 no wait for
// duplicate address detection, since the lease has already said that nobody else holds the address.
func (a Address) flags() uint32 {
	if a.Prefix.Addr().Is4() {
		return unix.IFA_F_NOPREFIXROUTE
	}
	return unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD
}

// label returns the label of an address of ours, or nothing where it cannot have one.
func (a Address) label() string {
	if !a.Prefix.Addr().Is4() || len(a.Link)+len(tagSuffix) > labelBytesMax {
		return ""
	}
	return a.Link + tagSuffix
}

// tagged reports whether an address on the named link is one that this package added, now or in an
// earlier life.
func (p present) tagged(link string) bool {
	label := Address{Prefix: p.Prefix, Link: link}.label()
	return p.Protocol == tagProtocol || label != "" && p.Label == label
}

// ours reports whether an address on the named link is one that this package added, by its tag or by all else.
func (p present) ours(link string) bool { return p.tagged(link) || p.likeOurs() }

// likeOurs reports whether an address looks as if written by us although it carries no tag. Before
// Linux 5.18 an IPv6 address, or one on a link with a long name, has none; but nobody else adds addresses without a route,
// not preferred and for seconds.
func (p present) likeOurs() bool {
	return p.Protocol == 0 && p.Flags&unix.IFA_F_NOPREFIXROUTE != 0 && p.Preferred == 0 && p.Valid <= validLifetime
}

// A present address is one that the kernel reports.
type present struct {
	LinkIndex        int
	Prefix           netip.Prefix
	Label            string
	Protocol         uint8
	Flags            uint32
	Valid, Preferred time.Duration // whole seconds; lifetimeForever when unlimited
}

// lifetimeForever stands for the kernel's "no limit".
const lifetimeForever = time.Duration(1<<32-1) * time.Second
