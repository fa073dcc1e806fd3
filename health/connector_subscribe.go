package health

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ackWait bounds the wait for the kernel's consent. The kernel answers before the request's system call returns, unless
// it does not answer at all.
const ackWait = 100 * time.Millisecond

// notAllowed adds ErrNotAllowed to the errors by which kernels say so.
func notAllowed(err error) error {
	for _, known := range []error{unix.EPERM, unix.EACCES, unix.ECONNREFUSED, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", ErrNotAllowed, err)
		}
	}
	return err
}

// subscribe asks for exits and waits for the kernel's consent.
func subscribe(fd int) error {
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: connectorGroup}); err != nil {
		return notAllowed(err)
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	var token uint32
	if nl, ok := local.(*unix.SockaddrNetlink); ok {
		token = nl.Pid
	}
	if err := sendOp(fd, opListen, token); err != nil {
		return notAllowed(err)
	}
	if err := awaitAck(fd, token+1); err != nil {
		return err
	}
	// From 6.6 on the kernel can leave out other kinds of event before it makes a copy for us. Older ones ignore the
	// longer request, and the socket filter does it.
	return sendOpFor(fd, opListen, eventExit|eventCoredump)
}

// awaitAck reads up to the answer that carries ack. Other subscribers' answers and events pass by.
func awaitAck(fd int, ack uint32) error {
	buf := make([]byte, 4096)
	for deadline := time.Now().Add(ackWait); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("%w: no answer from the kernel", ErrNotAllowed)
		}
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
			continue
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS):
			continue
		case err != nil:
			return err
		}
		ev, _, err := decodeProcEvent(buf[:n])
		if err != nil || ev.what != eventNone || ev.ack != ack {
			continue
		}
		if ev.ackErr != 0 {
			return notAllowed(unix.Errno(ev.ackErr))
		}
		return nil
	}
}

func sendOp(fd int, op, ack uint32) error {
	return send(fd, encodeOp(ack, binary.NativeEndian.AppendUint32(nil, op)))
}

func sendOpFor(fd int, op, events uint32) error {
	return send(fd, encodeOp(0, binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, op), events)))
}

func send(fd int, message []byte) error {
	return unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}
