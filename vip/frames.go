package vip

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// A frameSender is a packet socket that sends on any link. It is bound to no protocol, so it receives
// nothing that would have to be read.
type frameSender struct{ fd int }

func openFrameSender() (*frameSender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return &frameSender{fd: fd}, nil
}

func (s *frameSender) close() error { return unix.Close(s.fd) }

// send puts an Ethernet frame on the link with that index. It never waits: a full queue is an error.
func (s *frameSender) send(index int, frame []byte) error {
	const protocolOffset = 2 * ethernetAddressBytes
	to := &unix.SockaddrLinklayer{
		Ifindex:  index,
		Protocol: binary.NativeEndian.Uint16(frame[protocolOffset:]), // as it is on the wire
		Halen:    ethernetAddressBytes,
	}
	copy(to.Addr[:], frame[:ethernetAddressBytes])
	for {
		err := unix.Sendto(s.fd, frame, 0, to)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
