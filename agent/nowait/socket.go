package nowait

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Address is where a packet goes, as the kernel wants it.
type Address struct {
	raw    unix.RawSockaddrInet6 // or RawSockaddrInet4, which is no longer
	length uintptr
}

// AddressOf returns a host's port. Zones of IPv6 addresses are not known here.
func AddressOf(to netip.AddrPort) *Address {
	a := &Address{}
	if addr := to.Addr(); addr.Is4() {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		*four = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: addr.As4()}
		putPort(&four.Port, to.Port())
		a.length = unix.SizeofSockaddrInet4
	} else {
		a.raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: addr.As16()}
		putPort(&a.raw.Port, to.Port())
		a.length = unix.SizeofSockaddrInet6
	}
	return a
}

// addrPort returns what the kernel wrote; an address of another family than IP's is the zero AddrPort.
func (a *Address) addrPort() netip.AddrPort {
	switch a.raw.Family {
	case unix.AF_INET:
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), port(&four.Port))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.raw.Addr).Unmap(), port(&a.raw.Port))
	}
	return netip.AddrPort{}
}

// Ports are in the network's order.
func putPort(field *uint16, p uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], p)
}
func port(field *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:]) }

// Send hands a packet to a socket. It fails with EAGAIN if there is no room now.
func Send(fd uintptr, packet []byte, to *Address) error {
	_, err := send(fd, packet, &to.raw, to.length)
	return err
}

// Write hands bytes to a socket that is connected, as many as it has room for. It fails with EAGAIN if there is none now.
func Write(fd uintptr, b []byte) (n int, err error) { return send(fd, b, nil, 0) }

func send(fd uintptr, b []byte, to *unix.RawSockaddrInet6, length uintptr) (n int, err error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(to)), length)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// Receive takes the next packet that a socket has, as much of it as b has room for. It fails with EAGAIN if there is none.
func Receive(fd uintptr, b []byte) (n int, from netip.AddrPort, err error) {
	var sender Address
	for {
		length := uint32(unsafe.Sizeof(sender.raw))
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&sender.raw)), uintptr(unsafe.Pointer(&length)))
		switch errno {
		case 0:
			return int(n), sender.addrPort(), nil
		case unix.EINTR:
			continue
		}
		return 0, netip.AddrPort{}, errno
	}
}

// ReceiveNetlink takes the next datagram that a netlink socket has, and the port of who sent it: 0 is the kernel. It
// fails with EAGAIN if there is none. n is what there was, even if b has no room for it. The rest of a dump must not be
// asked for like this: the kernel makes it in the call, and may wait for locks.
func ReceiveNetlink(fd int, b []byte) (n int, port uint32, err error) {
	var sender unix.RawSockaddrNetlink
	for {
		length := uint32(unix.SizeofSockaddrNetlink)
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_TRUNC, uintptr(unsafe.Pointer(&sender)), uintptr(unsafe.Pointer(&length)))
		switch errno {
		case 0:
			return int(n), sender.Pid, nil
		case unix.EINTR:
			continue
		}
		return 0, 0, errno
	}
}
