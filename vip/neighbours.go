package vip

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	neighbourHeaderBytes = unix.SizeofNdMsg
	routeHeaderBytes     = unix.SizeofRtMsg
	attributeVia         = 18 // RTA_VIA: a router of another family

	// neighbourKnown are the states in which the kernel believes in a neighbour's hardware address.
	neighbourKnown = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT
)

// neighbour is one entry of the kernel's table.
type neighbour struct {
	index int // of its link
	state uint16
	ip    netip.Addr
	mac   MAC
}

func (k *netlinkKernel) neighbours(index int) (map[netip.Addr]MAC, error) {
	body := appendAttribute(make([]byte, neighbourHeaderBytes), unix.NDA_IFINDEX, binary.NativeEndian.AppendUint32(nil, uint32(index)))
	known := map[netip.Addr]MAC{}
	err := k.lists.dump(unix.RTM_GETNEIGH, body, func() { clear(known) }, func(answer []byte) error {
		n, err := decodeNeighbour(answer)
		if err == nil && n.index == index && n.state&neighbourKnown != 0 && n.ip.IsValid() && n.mac != (MAC{}) {
			known[n.ip] = n.mac
		}
		return err
	})
	return known, err
}

// decodeNeighbour reads the body of an RTM_NEWNEIGH. The MAC is zero unless it is an Ethernet address.
func decodeNeighbour(b []byte) (neighbour, error) {
	if len(b) < neighbourHeaderBytes {
		return neighbour{}, errMalformed
	}
	n := neighbour{index: int(int32(binary.NativeEndian.Uint32(b[4:]))), state: binary.NativeEndian.Uint16(b[8:])}
	err := eachAttribute(b[neighbourHeaderBytes:], func(kind uint16, value []byte) {
		switch kind {
		case unix.NDA_DST:
			n.ip, _ = netip.AddrFromSlice(value)
		case unix.NDA_LLADDR:
			if len(value) == ethernetAddressBytes {
				n.mac = MAC(value)
			}
		}
	})
	return n, err
}

// router returns the neighbour that packets for ip are given to on a link: ip itself where there is none before it.
func (k *netlinkKernel) router(index int, ip netip.Addr) (netip.Addr, error) {
	var way route
	err := k.lists.get(unix.RTM_GETROUTE, encodeRouteRequest(ip), func(answer []byte) (err error) {
		way, err = decodeRoute(answer)
		return err
	})
	switch {
	case err != nil:
		return netip.Addr{}, err
	case way.index != index:
		return netip.Addr{}, unix.ENETUNREACH
	case way.router.IsValid():
		return way.router, nil
	}
	return ip, nil
}

// route is what the kernel answers when it is asked for the way to one address.
type route struct {
	index  int        // of the link
	router netip.Addr // not valid: the address is on the link
}

func encodeRouteRequest(ip netip.Addr) []byte {
	b := make([]byte, routeHeaderBytes)
	b[0] = unix.AF_INET
	if ip.Is6() {
		b[0] = unix.AF_INET6
	}
	b[1] = byte(ip.BitLen())
	return appendAttribute(b, unix.RTA_DST, ip.AsSlice())
}

// decodeRoute reads the body of an RTM_NEWROUTE.
func decodeRoute(b []byte) (route, error) {
	if len(b) < routeHeaderBytes {
		return route{}, errMalformed
	}
	var r route
	err := eachAttribute(b[routeHeaderBytes:], func(kind uint16, value []byte) {
		switch kind {
		case unix.RTA_OIF:
			if len(value) == 4 {
				r.index = int(int32(binary.NativeEndian.Uint32(value)))
			}
		case unix.RTA_GATEWAY:
			r.router, _ = netip.AddrFromSlice(value)
		case attributeVia:
			if len(value) > 2 { // behind the family
				r.router, _ = netip.AddrFromSlice(value[2:])
			}
		}
	})
	return r, err
}
