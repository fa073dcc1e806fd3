package vip

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	tcpHeaderBytes  = 20
	ipv4HeaderBytes = 20
	tcpAcknowledge  = 1 << 4
	hopLimit        = 64
)

// tickle returns an IP packet with a bare TCP ACK whose numbers mean nothing: no data, nothing acknowledged. Whoever
// has that connection answers with an ACK of its own, which bears the true ones.
func tickle(from, to netip.AddrPort, sequence uint32) []byte {
	segment := bareACK(from, to, sequence)
	if from.Addr().Is4() {
		return append(ipv4Header(from.Addr(), to.Addr(), len(segment)), segment...)
	}
	return append(ipv6Header(unix.IPPROTO_TCP, hopLimit, from.Addr(), to.Addr(), len(segment)), segment...)
}

func bareACK(from, to netip.AddrPort, sequence uint32) []byte {
	const window = 1024 // not 0, which would ask the other end to stop sending
	b := make([]byte, 0, tcpHeaderBytes)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint32(b, sequence)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, tcpHeaderBytes/4<<4, tcpAcknowledge)
	b = binary.BigEndian.AppendUint16(b, window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	binary.BigEndian.PutUint16(b[16:], checksumTCP(from.Addr(), to.Addr(), b))
	return b
}

// checksumTCP is that of a segment of even length whose own checksum is zero.
func checksumTCP(from, to netip.Addr, segment []byte) uint16 {
	sum := uint32(unix.IPPROTO_TCP) + uint32(len(segment))
	for _, part := range [][]byte{from.AsSlice(), to.AsSlice(), segment} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// ipv4Header leaves length, identification and checksum to the kernel, which fills them in for raw sockets.
func ipv4Header(source, destination netip.Addr, payloadBytes int) []byte {
	const version4 = 4 << 4
	header := make([]byte, 12, ipv4HeaderBytes+payloadBytes)
	header[0] = version4 | ipv4HeaderBytes/4
	header[8] = hopLimit
	header[9] = unix.IPPROTO_TCP
	header = append(header, source.AsSlice()...)
	return append(header, destination.AsSlice()...)
}
