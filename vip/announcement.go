package vip

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

// announcement returns the frames of one burst that tell every neighbour that ip is at mac.
func announcement(mac net.HardwareAddr, ip netip.Addr) ([][]byte, error) {
	if len(mac) != ethernetAddressBytes {
		return nil, fmt.Errorf("link has no Ethernet address (%q)", mac.String())
	}
	if ip.Is4() {
		return gratuitousARP(mac, ip)
	}
	frame, err := unsolicitedAdvertisement(mac, ip)
	if err != nil {
		return nil, err
	}
	return [][]byte{frame}, nil
}

const ethernetAddressBytes = 6

// gratuitousARP returns the request and the reply form; some receivers heed only one of them.
func gratuitousARP(mac net.HardwareAddr, ip netip.Addr) ([][]byte, error) {
	forms := []struct {
		op     arp.Operation
		target net.HardwareAddr
	}{
		{arp.OperationRequest, make(net.HardwareAddr, ethernetAddressBytes)},
		// Linux takes a reply for gratuitous, and so overrides a young entry, only if the target's
		// hardware address is the sender's.
		{arp.OperationReply, mac},
	}
	var frames [][]byte
	for _, form := range forms {
		packet, err := arp.NewPacket(form.op, mac, ip, form.target, ip)
		if err != nil {
			return nil, err
		}
		payload, err := packet.MarshalBinary()
		if err != nil {
			return nil, err
		}
		frame, err := (&ethernet.Frame{
			Destination: ethernet.Broadcast,
			Source:      mac,
			EtherType:   ethernet.EtherTypeARP,
			Payload:     payload,
		}).MarshalBinary()
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// allNodes is where an unsolicited neighbour advertisement goes, and its Ethernet group.
var (
	allNodes    = netip.MustParseAddr("ff02::1")
	allNodesMAC = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
)

// unsolicitedAdvertisement returns a neighbour advertisement that overrides what the neighbours know.
func unsolicitedAdvertisement(mac net.HardwareAddr, ip netip.Addr) ([]byte, error) {
	message, err := ndp.MarshalMessageChecksum(&ndp.NeighborAdvertisement{
		Override:      true,
		TargetAddress: ip,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac}},
	}, ip, allNodes)
	if err != nil {
		return nil, err
	}
	return (&ethernet.Frame{
		Destination: allNodesMAC,
		Source:      mac,
		EtherType:   ethernet.EtherTypeIPv6,
		Payload:     append(ipv6Header(nextHeaderICMPv6, ndp.HopLimit, ip, allNodes, len(message)), message...),
	}).MarshalBinary()
}

const nextHeaderICMPv6 = 58

// ipv6Header returns the header of a packet without options.
func ipv6Header(next, hops byte, source, destination netip.Addr, payloadBytes int) []byte {
	const version6 = 6 << 4
	header := make([]byte, 8, ipv6HeaderBytes+payloadBytes)
	header[0] = version6
	binary.BigEndian.PutUint16(header[4:], uint16(payloadBytes))
	header[6] = next
	header[7] = hops
	header = append(header, source.AsSlice()...)
	return append(header, destination.AsSlice()...)
}

// directed returns copies of frames for one neighbour alone. IPv6 allows that of a packet to a group (RFC 6085).
func directed(frames [][]byte, to MAC) [][]byte {
	list := make([][]byte, len(frames))
	for i, frame := range frames {
		list[i] = slices.Clone(frame)
		copy(list[i], to[:]) // the destination comes first
	}
	return list
}
