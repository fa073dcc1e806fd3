package vip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// errMalformed is a message that is not what the kernel writes.
var errMalformed = errors.New("malformed netlink message")

const (
	attributeHeaderBytes = 4
	attributeTypeMask    = 0x3fff // the two bits above it are flags

	linkHeaderBytes    = unix.SizeofIfInfomsg
	addressHeaderBytes = unix.SizeofIfAddrmsg
	cacheInfoBytes     = 16
	attributeProtocol  = 11 // IFA_PROTO
)

func align4(n int) int { return (n + 3) &^ 3 }

// appendAttribute appends one netlink attribute, padded.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attributeHeaderBytes+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, align4(len(value))-len(value))...)
}

// eachAttribute calls f with the attributes in b.
func eachAttribute(b []byte, f func(kind uint16, value []byte)) error {
	for len(b) >= attributeHeaderBytes {
		size := int(binary.NativeEndian.Uint16(b))
		if size < attributeHeaderBytes || size > len(b) {
			return errMalformed
		}
		f(binary.NativeEndian.Uint16(b[2:])&attributeTypeMask, b[attributeHeaderBytes:size])
		b = b[min(align4(size), len(b)):]
	}
	return nil
}

// decodeLink reads the body of an RTM_NEWLINK.
func decodeLink(b []byte) (Link, error) {
	if len(b) < linkHeaderBytes {
		return Link{}, errMalformed
	}
	const up = unix.IFF_UP | unix.IFF_LOWER_UP | unix.IFF_RUNNING
	link := Link{
		Index: int(int32(binary.NativeEndian.Uint32(b[4:]))),
		Up:    binary.NativeEndian.Uint32(b[8:])&up == up,
	}
	err := eachAttribute(b[linkHeaderBytes:], func(kind uint16, value []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			link.Name = text(value)
		case unix.IFLA_ADDRESS:
			link.MAC = net.HardwareAddr(bytes.Clone(value))
		}
	})
	return link, err
}

// decodeAddress reads the body of an RTM_NEWADDR.
func decodeAddress(b []byte) (present, error) {
	if len(b) < addressHeaderBytes {
		return present{}, errMalformed
	}
	p := present{
		LinkIndex: int(int32(binary.NativeEndian.Uint32(b[4:]))),
		Flags:     uint32(b[2]),
		Valid:     lifetimeForever,
		Preferred: lifetimeForever,
	}
	var local, address netip.Addr
	err := eachAttribute(b[addressHeaderBytes:], func(kind uint16, value []byte) {
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(value)
		case unix.IFA_ADDRESS: // the peer's, where there is a local one
			address, _ = netip.AddrFromSlice(value)
		case unix.IFA_LABEL:
			p.Label = text(value)
		case attributeProtocol:
			if len(value) > 0 {
				p.Protocol = value[0]
			}
		case unix.IFA_FLAGS:
			if len(value) >= 4 {
				p.Flags = binary.NativeEndian.Uint32(value)
			}
		case unix.IFA_CACHEINFO:
			if len(value) >= cacheInfoBytes {
				p.Preferred = time.Duration(binary.NativeEndian.Uint32(value)) * time.Second
				p.Valid = time.Duration(binary.NativeEndian.Uint32(value[4:])) * time.Second
			}
		}
	})
	if err != nil {
		return present{}, err
	}
	if !local.IsValid() {
		local = address
	}
	p.Prefix = netip.PrefixFrom(local, int(b[1]))
	if !p.Prefix.IsValid() {
		return present{}, errMalformed
	}
	return p, nil
}

// encodeAddress returns the body that names an address, without what is only needed to add it.
func encodeAddress(index int, a Address) []byte {
	ip := a.Prefix.Addr()
	family := byte(unix.AF_INET)
	if ip.Is6() {
		family = unix.AF_INET6
	}
	b := []byte{family, byte(a.Prefix.Bits()), 0, unix.RT_SCOPE_UNIVERSE}
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = appendAttribute(b, unix.IFA_LOCAL, ip.AsSlice())
	return appendAttribute(b, unix.IFA_ADDRESS, ip.AsSlice())
}

// encodeNewAddress returns the body that adds or refreshes an address as one of ours.
func encodeNewAddress(index int, a Address) []byte {
	b := encodeAddress(index, a)
	b = appendAttribute(b, unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, a.flags()))
	b = appendAttribute(b, attributeProtocol, []byte{tagProtocol})
	if label := a.label(); label != "" {
		b = appendAttribute(b, unix.IFA_LABEL, append([]byte(label), 0))
	}
	// Preferred for no time at all: it is never chosen as the source of a connection of this host.
	lifetimes := make([]byte, cacheInfoBytes)
	binary.NativeEndian.PutUint32(lifetimes[4:], uint32(validLifetime/time.Second))
	return appendAttribute(b, unix.IFA_CACHEINFO, lifetimes)
}

// text returns a zero-terminated string.
func text(value []byte) string {
	before, _, _ := bytes.Cut(value, []byte{0})
	return string(before)
}
