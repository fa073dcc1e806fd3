package vip

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A FenceMode says what keeps this host from answering on an address whose lease is over when nothing of the
// agent runs that could take it down.
type FenceMode string

const (
	// FenceAuto takes FenceNFTables where the kernel allows, else FenceLifetime.
	FenceAuto FenceMode = "auto"
	// FenceNFTables lets packets of a managed address pass only while the kernel counts its lease down.
	FenceNFTables FenceMode = "nftables"
	// FenceLifetime relies on the kernel removing an address that nobody refreshes. It refreshes and takes
	// only where the lease outlives the address, so it needs leases longer than LifetimeMax.
	FenceLifetime FenceMode = "lifetime"
	// FenceOff leaves all to the agent.
	FenceOff FenceMode = "off"
)

// LifetimeMax is the longest time that an address stays up after its last refresh: the kernel counts whole
// seconds and removes late.
const LifetimeMax = validLifetime + 250*time.Millisecond

// ErrFence: the fence that was asked for cannot be had, or could not be opened for an address.
var ErrFence = errors.New("no fence")

// A fence closes by itself when a lease is over. Its methods may be called from several goroutines.
type fence interface {
	// mode is what it is: never FenceAuto.
	mode() FenceMode
	// open lets packets of an address pass for as long as its lease lasts, both ways, in place of whatever was
	// in force. The lease is asked again after the write: with ErrTooLate it was over, and the fence is closed.
	open(ip netip.Addr, lease Lease) error
	// shut keeps packets to an address from passing, and in direction both also those from it.
	shut(ip netip.Addr, d direction) error
	// guards reports whether packets of an address that is shut are known not to pass, and those to it to be answered with a
	// reset. Where not, others may have changed something, or nothing but the address itself was ever in their way.
	guards(ip netip.Addr) bool
	// left is how long packets of an address still pass if nobody opens the fence for it again: nothing if it is
	// closed, or would not close by itself.
	left(ip netip.Addr) time.Duration
	// close releases what the fence needs of the system. What is open stays so until its lease ends; where nothing
	// is, late packets are still answered for a while, and after that the fence is in nobody's way.
	close() error
}

// direction says which packets of an address are meant.
type direction int

const (
	inbound direction = iota
	both
)

// openFence returns the fence of the calling thread's network namespace, and if it is not the best of those
// allowed, why.
func openFence(o Options, counts *counts) (f fence, why error, err error) {
	switch mode := cmp.Or(o.Fence, FenceAuto); mode {
	case FenceAuto, FenceNFTables:
		nft, err := openNFT(o.Managed, o.Links, counts)
		switch {
		case err == nil:
			return nft, nil, nil
		case mode == FenceNFTables:
			return nil, nil, fmt.Errorf("%w: nftables: %w", ErrFence, err)
		}
		return lifetimeFence{}, err, eraseNFT()
	case FenceLifetime:
		return lifetimeFence{}, nil, eraseNFT()
	case FenceOff:
		return noFence{}, nil, eraseNFT()
	default:
		return nil, nil, fmt.Errorf("%w: unknown mode %q", ErrFence, mode)
	}
}

// lifetimeFence is the kernel's end of an address that nobody refreshes. All there is to do is not to put one
// up, or refresh it, that would outlive its lease.
type lifetimeFence struct{}

func (lifetimeFence) mode() FenceMode { return FenceLifetime }

func (lifetimeFence) open(_ netip.Addr, lease Lease) error {
	if left := lease(); left <= LifetimeMax {
		return fmt.Errorf("%w: the lease has %s left, the address would stay for %s", errOutlives, left.Round(time.Millisecond), LifetimeMax)
	}
	return nil
}

func (lifetimeFence) shut(netip.Addr, direction) error { return nil }
func (lifetimeFence) guards(netip.Addr) bool           { return false }
func (lifetimeFence) left(netip.Addr) time.Duration    { return 0 }
func (lifetimeFence) close() error                     { return nil }

// errOutlives is an address that must not be refreshed now.
var errOutlives = fmt.Errorf("%w for so short a time", ErrFence)

// noFence is none.
type noFence struct{}

func (noFence) mode() FenceMode                  { return FenceOff }
func (noFence) open(netip.Addr, Lease) error     { return nil }
func (noFence) shut(netip.Addr, direction) error { return nil }
func (noFence) guards(netip.Addr) bool           { return false }
func (noFence) left(netip.Addr) time.Duration    { return 0 }
func (noFence) close() error                     { return nil }
