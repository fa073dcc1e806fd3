package health

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's socket diagnosis, from linux/inet_diag.h.
const (
	diagRequestBytes = 56
	diagAnswerBytes  = 72 // struct inet_diag_msg
	diagPortOffset   = 8  // local port, in network order; remote port, local and remote address, interface and cookie follow
	diagInodeOffset  = 68
	tcpListen        = 10 // the kernel's TCP_LISTEN
)

// diagWait bounds the wait for an answer, which comes before the request's system call returns.
const diagWait = 100 * time.Millisecond

// listenerInode asks the kernel which socket would take a connection to addr in this network namespace. That needs no
// privilege. A listener on the wildcard address is found too.
func listenerInode(addr netip.AddrPort) (inode uint32, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("health: find listener of %s: %w", addr, err)
	}
	defer func() { _ = unix.Close(fd) }() // Nothing depends on it.
	timeout := unix.NsecToTimeval(diagWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return 0, fmt.Errorf("health: find listener of %s: %w", addr, err)
	}
	if err := send(fd, diagRequest(addr)); err != nil {
		return 0, fmt.Errorf("health: find listener of %s: %w", addr, err)
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err == nil {
		inode, err = decodeDiag(buf[:n])
	}
	if err != nil {
		return 0, fmt.Errorf("health: find listener of %s: %w", addr, err)
	}
	return inode, nil
}

func diagRequest(addr netip.AddrPort) []byte {
	b := make([]byte, nlHeaderBytes+diagRequestBytes)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	request := b[nlHeaderBytes:]
	host := addr.Addr().Unmap()
	request[0] = unix.AF_INET
	if host.Is6() {
		request[0] = unix.AF_INET6
	}
	request[1] = unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], 1<<tcpListen)
	id := request[diagPortOffset:]
	binary.BigEndian.PutUint16(id, addr.Port())
	copy(id[4:20], host.AsSlice())
	for i := 40; i < 48; i++ {
		id[i] = 0xff // any cookie
	}
	return b
}

// decodeDiag takes the answer to diagRequest: a listening socket's description, or an error.
func decodeDiag(b []byte) (inode uint32, err error) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil || len(messages) == 0 {
		return 0, fmt.Errorf("malformed answer of %d bytes", len(b))
	}
	data := messages[0].Data
	switch messages[0].Header.Type {
	case unix.NLMSG_ERROR:
		if len(data) < 4 {
			return 0, errors.New("malformed error")
		}
		return 0, unix.Errno(-int32(binary.NativeEndian.Uint32(data)))
	case unix.SOCK_DIAG_BY_FAMILY:
		if len(data) < diagAnswerBytes {
			return 0, fmt.Errorf("malformed description of %d bytes", len(data))
		}
		if state := data[1]; state != tcpListen {
			return 0, fmt.Errorf("socket is in state %d, not listening", state)
		}
		return binary.NativeEndian.Uint32(data[diagInodeOffset:]), nil
	}
	return 0, fmt.Errorf("answer of type %d", messages[0].Header.Type)
}
