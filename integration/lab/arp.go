package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// arpFrame is an ARP packet for IPv4 over Ethernet with its Ethernet header, read and written here
// rather than by a library so that a watcher can look at thousands a second without garbage.
type arpFrame struct {
	to, from             [6]byte // Ethernet
	op                   uint16
	senderMAC, targetMAC [6]byte
	senderIP, targetIP   netip.Addr
}

const (
	arpRequest  = 1
	arpReply    = 2
	etherARP    = 0x0806
	arpFrameLen = 14 + 28
)

var broadcastMAC = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// arpFixed is what every frame says between the Ethernet addresses and the operation.
var arpFixed = [...]byte{0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4}

func (f arpFrame) append(b []byte) []byte {
	b = append(b, f.to[:]...)
	b = append(b, f.from[:]...)
	b = append(b, arpFixed[:]...)
	b = binary.BigEndian.AppendUint16(b, f.op)
	b = append(b, f.senderMAC[:]...)
	sender := f.senderIP.As4()
	b = append(b, sender[:]...)
	b = append(b, f.targetMAC[:]...)
	target := f.targetIP.As4()
	return append(b, target[:]...)
}

// parseARP reads a frame; it reports false if b is anything else. Padding behind the frame is ignored.
func parseARP(b []byte) (f arpFrame, ok bool) {
	if len(b) < arpFrameLen || [8]byte(b[12:20]) != arpFixed {
		return arpFrame{}, false
	}
	f.to, f.from = [6]byte(b[0:6]), [6]byte(b[6:12])
	f.op = binary.BigEndian.Uint16(b[20:22])
	f.senderMAC, f.senderIP = [6]byte(b[22:28]), netip.AddrFrom4([4]byte(b[28:32]))
	f.targetMAC, f.targetIP = [6]byte(b[32:38]), netip.AddrFrom4([4]byte(b[38:42]))
	return f, true
}

// gratuitous reports whether the sender speaks of its own address to everybody, which is what moves
// an address in the neighbours' tables.
func (f arpFrame) gratuitous() bool {
	return f.senderIP == f.targetIP && f.to == broadcastMAC
}

func macString(m [6]byte) string { return net.HardwareAddr(m[:]).String() }

// portMAC is the hardware address of the n-th port: locally administered, the same in every lab.
func portMAC(n int) [6]byte {
	if n < 0 || n > 0xff {
		panic(fmt.Sprintf("lab: port number %d", n))
	}
	return [6]byte{0x02, 0x6d, 0x76, 0, 0, byte(n)}
}
