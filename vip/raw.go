package vip

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A rawSender sends IP packets whose headers are written here. Its sockets are of the protocol that means "any", which
// no packet that comes in has, so they receive nothing that would have to be read.
type rawSender struct{ four, six int }

const noSocket = -1

func openRawSender() (_ *rawSender, err error) {
	s := &rawSender{noSocket, noSocket}
	kind := unix.SOCK_RAW | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	if s.four, err = unix.Socket(unix.AF_INET, kind, unix.IPPROTO_RAW); err != nil {
		return nil, err
	}
	s.six, err = unix.Socket(unix.AF_INET6, kind, unix.IPPROTO_RAW)
	if errors.Is(err, unix.EAFNOSUPPORT) { // a host without IPv6
		s.six, err = noSocket, nil
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *rawSender) close() error {
	var errs []error
	for _, fd := range []int{s.four, s.six} {
		if fd != noSocket {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

// send never waits: a full queue is an error. The source is said beside the packet, too, for hosts that choose the way
// by it.
func (s *rawSender) send(packet []byte, from, to netip.Addr) error {
	var fd int
	var source []byte
	var at unix.Sockaddr
	if to.Is4() {
		fd, source = s.four, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})
		at = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		fd, source = s.six, unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.As16()})
		at = &unix.SockaddrInet6{Addr: to.As16()}
	}
	if fd == noSocket {
		return unix.EAFNOSUPPORT
	}
	for {
		err := unix.Sendmsg(fd, packet, source, at, unix.MSG_DONTWAIT)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
