package vip

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

// A Sighting is what somebody else on a link said: that an address of ours is at that hardware address.
type Sighting struct {
	Address Address
	MAC     net.HardwareAddr
	// Times is how many claims it stands for: more than one when they come faster than they are told.
	Times int
}

// claim is what one frame says: ip is at mac.
type claim struct {
	ip  netip.Addr
	mac [ethernetAddressBytes]byte
}

// claimIn reads the claim that a frame makes. In ARP it is the sender's, of requests and replies alike, since
// neighbours believe both; a probe (RFC 5227) claims nothing and has no sender.
func claimIn(bytes []byte) (claim, bool) {
	var frame ethernet.Frame
	if err := frame.UnmarshalBinary(bytes); err != nil {
		return claim{}, false
	}
	switch frame.EtherType {
	case ethernet.EtherTypeARP:
		return claimInARP(frame.Payload)
	case ethernet.EtherTypeIPv6:
		return claimInAdvertisement(frame.Source, frame.Payload)
	}
	return claim{}, false
}

func claimInARP(payload []byte) (claim, bool) {
	const hardwareEthernet = 1
	var p arp.Packet
	if err := p.UnmarshalBinary(payload); err != nil || p.HardwareType != hardwareEthernet ||
		p.ProtocolType != uint16(ethernet.EtherTypeIPv4) || len(p.SenderHardwareAddr) != ethernetAddressBytes || !p.SenderIP.Is4() {
		return claim{}, false
	}
	return claim{p.SenderIP, [ethernetAddressBytes]byte(p.SenderHardwareAddr)}, true
}

// claimInAdvertisement reads an IPv6 packet. An advertisement that answers a question may leave out the
// hardware address; then it is the frame's.
func claimInAdvertisement(source net.HardwareAddr, packet []byte) (claim, bool) {
	if len(packet) < ipv6HeaderBytes || packet[6] != unix.IPPROTO_ICMPV6 || packet[7] != ndp.HopLimit {
		return claim{}, false
	}
	size := int(binary.BigEndian.Uint16(packet[4:]))
	if size > len(packet)-ipv6HeaderBytes {
		return claim{}, false
	}
	message, err := ndp.ParseMessage(packet[ipv6HeaderBytes:][:size])
	advertisement, ok := message.(*ndp.NeighborAdvertisement)
	if err != nil || !ok {
		return claim{}, false
	}
	for _, option := range advertisement.Options {
		if o, ok := option.(*ndp.LinkLayerAddress); ok && o.Direction == ndp.Target && len(o.Addr) == ethernetAddressBytes {
			source = o.Addr
		}
	}
	return claim{advertisement.TargetAddress, [ethernetAddressBytes]byte(source)}, true
}
