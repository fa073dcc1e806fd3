package vip

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

func (k *netlinkKernel) sockets(local netip.Addr) ([]socket, error) {
	if k.diag == nil {
		return nil, ErrNoSocketDestroy
	}
	if local.Is6() {
		return k.socketsOf(unix.AF_INET6, local)
	}
	list, err := k.socketsOf(unix.AF_INET, local)
	if err != nil {
		return nil, err
	}
	// A listener on [::] accepts IPv4 connections as IPv6 sockets. Without IPv6 there are none.
	mapped, err := k.socketsOf(unix.AF_INET6, local)
	if err != nil && !errors.Is(err, ErrNoSocketDestroy) {
		return nil, err
	}
	return append(list, mapped...), nil
}

func (k *netlinkKernel) socketsOf(family uint8, local netip.Addr) ([]socket, error) {
	var list []socket
	body := encodeSocketDump(family, local)
	err := k.diag.dump(sockDiagByFamily, body, func() { list = nil }, func(answer []byte) error {
		s, err := decodeSocket(answer)
		if err == nil && s.isConnection(local) {
			list = append(list, s.socket)
		}
		return err
	})
	if errors.Is(err, unix.ENOENT) { // no handler for the family or for TCP
		return nil, ErrNoSocketDestroy
	}
	return list, err
}

const sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY

func (k *netlinkKernel) destroy(list []socket) (destroyed int, err error) {
	if k.diag == nil {
		return 0, ErrNoSocketDestroy
	}
	bodies := make([][]byte, len(list))
	for i, s := range list {
		bodies[i] = encodeSocketDestroy(s)
	}
	destroyed = len(list)
	var failure error
	err = k.diag.batch(unix.SOCK_DESTROY, bodies, func(errno unix.Errno) {
		destroyed--
		if err := destroyError(errno); err != nil && failure == nil {
			failure = err
		}
	})
	if err != nil {
		return 0, err
	}
	return destroyed, failure
}

// destroyError says what it means that a socket was not destroyed: nothing, if it was gone before.
func destroyError(errno unix.Errno) error {
	switch errno {
	case unix.ENOENT, unix.ESTALE:
		return nil
	case unix.EOPNOTSUPP:
		return ErrNoSocketDestroy
	}
	return errno
}

// canDestroy tries to destroy a socket that cannot exist, which also makes the kernel load what it needs.
func (k *netlinkKernel) canDestroy() error {
	_, err := k.destroy([]socket{{family: unix.AF_INET}})
	return err
}
