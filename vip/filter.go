package vip

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where things are in an Ethernet frame, in bytes.
const (
	ethernetHeaderBytes = 14
	ipv6HeaderBytes     = 40

	arpKindAt     = ethernetHeaderBytes     // hardware and protocol type
	arpLengthsAt  = ethernetHeaderBytes + 4 // of their addresses
	arpSenderIPAt = ethernetHeaderBytes + 14

	ipv6NextHeaderAt = ethernetHeaderBytes + 6 // and the hop limit after it
	icmpTypeAt       = ethernetHeaderBytes + ipv6HeaderBytes
	icmpTargetAt     = icmpTypeAt + 8
)

// wholeFrame is what a filter returns for a frame to keep; no frame is larger.
const wholeFrame = 1 << 18

var (
	keepFrame = bpf.RetConstant{Val: wholeFrame}
	dropFrame = bpf.RetConstant{Val: 0}
)

// claimFilter is the program by which the kernel keeps everything from us but claims of the addresses: a busy
// server's traffic must not pass through here. It sees frames of one EtherType only.
func claimFilter(protocol uint16, ips []netip.Addr) []bpf.Instruction {
	if protocol == unix.ETH_P_ARP {
		return arpFilter(ips)
	}
	return advertisementFilter(ips)
}

// arpFilter keeps ARP for IPv4 over Ethernet with one of the addresses as sender.
func arpFilter(ips []netip.Addr) []bpf.Instruction {
	const ethernetAndIPv4, sixAndFour = 1<<16 | unix.ETH_P_IP, 6<<8 | 4
	program := append(keepIf(arpKindAt, 4, ethernetAndIPv4), keepIf(arpLengthsAt, 2, sixAndFour)...)
	program = append(program, bpf.LoadAbsolute{Off: arpSenderIPAt, Size: 4})
	for _, ip := range ips {
		b := ip.As4()
		program = append(program, keepLoaded(b[:])...)
	}
	return append(program, dropFrame)
}

// advertisementFilter keeps neighbour advertisements whose target ends as one of the addresses does; who hears one looks at
// the whole. Older kernels have room for some thousand instructions of their own, and each load becomes fourteen of them. The
// first comparison ends what is no ICMPv6.
func advertisementFilter(ips []netip.Addr) []bpf.Instruction {
	const icmpOfThisLink, advertisement, lastWord = unix.IPPROTO_ICMPV6<<8 | ndp.HopLimit, 136, 12
	program := append(keepIf(ipv6NextHeaderAt, 2, icmpOfThisLink), keepIf(icmpTypeAt, 1, advertisement)...)
	program = append(program, bpf.LoadAbsolute{Off: icmpTargetAt + lastWord, Size: 4})
	for _, ip := range ips {
		b := ip.As16()
		program = append(program, keepLoaded(b[lastWord:])...)
	}
	return append(program, dropFrame)
}

// keepLoaded keeps a frame if the four bytes that were loaded last are these.
func keepLoaded(b []byte) []bpf.Instruction {
	return []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b), SkipTrue: 1}, keepFrame}
}

// keepIf drops a frame unless the bytes at an offset have the value.
func keepIf(offset uint32, size int, value uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offset, Size: size},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: 1},
		dropFrame,
	}
}

// attachFilter makes a filter the socket's, in place of the one before.
func attachFilter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}
