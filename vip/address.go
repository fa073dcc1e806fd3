package vip

import (
	"fmt"
	"net/netip"
	"time"
)

// validLifetime is how long the kernel keeps an address that nobody prolongs. It ends the double
// ownership of a killed or frozen agent on hosts without a kernel fence; lowering it shortens that time
// and leaves fewer attempts to refresh before a slow agent loses an address it may keep. The kernel
// counts it in whole seconds and removes up to 0.2 s late.
const validLifetime = 4 * time.Second

// refreshInterval is the shortest time between two refreshes that reach the kernel, so that an address
// survives validLifetime/refreshInterval - 1 lost ones.
const refreshInterval = 1 * time.Second

// An Address is a service address on a link. It is comparable, and equal addresses are one address.
type Address struct {
	// Prefix is the address with its length, put on the link as given: /32 or /128 as a rule.
	Prefix netip.Prefix
	// Link is the name of the network interface.
	Link string
}

// String returns the form used in errors, such as "10.0.0.50/32 on eth0".
func (a Address) String() string { return a.Prefix.String() + " on " + a.Link }

// check refuses what can be no service address, before the kernel is asked.
func (a Address) check() error {
	ip := a.Prefix.Addr()
	switch {
	case !a.Prefix.IsValid():
		return fmt.Errorf("%w: no prefix given", ErrAddress)
	case ip.Is4In6():
		return fmt.Errorf("%w: IPv4 written as IPv6", ErrAddress)
	case ip.IsUnspecified(), ip.IsMulticast(), ip.IsLoopback():
		return fmt.Errorf("%w: not a unicast address of a link", ErrAddress)
	case a.Link == "":
		return fmt.Errorf("%w: no link given", ErrAddress)
	}
	return nil
}
