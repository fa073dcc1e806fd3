package vip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

// answerWait is how long answers to the question who has an address are waited for. A host on the same link answers
// within a millisecond, one that is busy within a few; two are to be heard, not only the first.
const answerWait = 100 * time.Millisecond

// WhoHas asks on an IPv4 address's link who has it, as any client does, and returns the MACs that answered, in small
// letters and in the order of their answers. This host never answers itself. It speaks as an address of the link that
// is none of managed, or as nobody (RFC 5227), so that no neighbour learns a service address from the question.
// It takes 100 ms, or less if ctx ends.
func WhoHas(ctx context.Context, a Address, managed []netip.Addr) ([]string, error) {
	macs, err := whoHas(ctx, a, managed)
	if err != nil {
		return nil, fmt.Errorf("vip: ask who has %s: %w", a, err)
	}
	return macs, nil
}

func whoHas(ctx context.Context, a Address, managed []netip.Addr) (macs []string, err error) {
	ip := a.Prefix.Addr()
	if !ip.Is4() {
		return nil, errors.ErrUnsupported
	}
	link, err := net.InterfaceByName(a.Link)
	if err != nil {
		return nil, err
	}
	client, err := arp.Dial(link)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	until := time.Now().Add(answerWait)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	if err := client.SetReadDeadline(until); err != nil {
		return nil, err
	}
	question, err := arp.NewPacket(arp.OperationRequest, link.HardwareAddr, speaker(link, managed), make(net.HardwareAddr, ethernetAddressBytes), ip)
	if err != nil {
		return nil, err
	}
	if err := client.WriteTo(question, ethernet.Broadcast); err != nil {
		return nil, err
	}
	for {
		answer, _, err := client.Read()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return macs, ctx.Err()
		case err != nil:
			return nil, err
		}
		mac := answer.SenderHardwareAddr.String()
		if answer.Operation == arp.OperationReply && answer.SenderIP == ip && !slices.Contains(macs, mac) {
			macs = append(macs, mac)
		}
	}
}

// speaker is the address to ask as.
func speaker(link *net.Interface, managed []netip.Addr) netip.Addr {
	all, _ := link.Addrs() // none will do
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() && !slices.Contains(managed, prefix.Addr()) {
			return prefix.Addr()
		}
	}
	return netip.IPv4Unspecified()
}
