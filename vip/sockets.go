package vip

import (
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

func (k *netlinkKernel) sockets(locals ...netip.Addr) ([]socket, error) {
	if k.diag == nil {
		return nil, ErrNoSocketDestroy
	}
	var list []socket
	err := k.diag.dump(diagDump, encodeSocketDump(locals...), func() { list = nil }, func(answer []byte) error {
		s, err := decodeSocket(answer)
		if err == nil && s.isConnection(locals...) && k.ends(s.socket) {
			list = append(list, s.socket)
		}
		return err
	})
	return list, noDiag(err)
}

// ends reports whether it is of any use to ask for a socket's end: whoever asks until none is left would never be done.
func (k *netlinkKernel) ends(s socket) bool { return !s.over || !k.keepsOver.Load() }

func (k *netlinkKernel) connections(ips []netip.Addr, each func(connection)) error {
	if k.census == nil {
		return ErrNoSocketDestroy
	}
	err := k.census.dump(diagDump, encodeConnectionDump(ips...), func() {}, func(answer []byte) error {
		s, err := decodeSocket(answer)
		if err == nil && s.state == stateEstablished && slices.Contains(ips, s.local) {
			local, peer := s.ends()
			each(connection{socket: s.socket, local: local, peer: peer, quiet: s.quiet})
		}
		return err
	})
	return noDiag(err)
}

// noDiag says what it means that the kernel has nothing that lists TCP sockets.
func noDiag(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return ErrNoSocketDestroy
	}
	return err
}

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
	err = k.diag.batch(unix.SOCK_DESTROY, bodies, func(i int, errno unix.Errno) {
		destroyed--
		if err := k.destroyError(list[i], errno); err != nil && failure == nil {
			failure = err
		}
	})
	if err != nil {
		return 0, err
	}
	return destroyed, failure
}

// destroyError says what it means that a socket was not destroyed: nothing, if it was gone before, or is as good as that.
func (k *netlinkKernel) destroyError(s socket, errno unix.Errno) error {
	switch {
	case errno == unix.ENOENT, errno == unix.ESTALE:
		return nil
	case errno == unix.EOPNOTSUPP && s.over:
		k.keepsOver.Store(true)
		return nil
	case errno == unix.EOPNOTSUPP:
		return ErrNoSocketDestroy
	}
	return errno
}
