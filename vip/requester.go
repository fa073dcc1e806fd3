package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	answerBytesMax = 1 << 16 // the kernel writes no longer piece of a dump than 32 KiB
	// batchMax requests go out in one system call. Each may be answered by an error of some 1 KiB of
	// socket memory, and the answers must fit the receive buffer.
	batchMax = 64
	// dumpAttempts bounds how often a dump is begun again that changed while it was read.
	dumpAttempts = 8
	// answerSecondsMax is a safeguard: the kernel has queued the answer when a request returns.
	answerSecondsMax = 5
)

// errInterrupted is a dump that was not of one moment.
var errInterrupted = errors.New("netlink dump was interrupted")

// A requester sends requests over one netlink socket and reads their answers, one exchange at a time.
type requester struct {
	mu       sync.Mutex
	fd       int
	sequence uint32
	buffer   []byte
}

func openRequester(protocol int) (*requester, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, err
	}
	r := &requester{fd: fd, buffer: make([]byte, answerBytesMax)}
	err = errors.Join(
		unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerSecondsMax}),
	)
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	// With it the kernel filters a dump of addresses by link; without it (before Linux 4.20) we do.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	return r, nil
}

func (r *requester) close() error { return unix.Close(r.fd) }

// port is what the kernel knows the socket by.
func (r *requester) port() (uint32, error) {
	own, err := unix.Getsockname(r.fd)
	if err != nil {
		return 0, err
	}
	netlink, ok := own.(*unix.SockaddrNetlink)
	if !ok {
		return 0, errMalformed
	}
	return netlink.Pid, nil
}

// do sends one request that changes something and waits until the kernel has carried it out.
func (r *requester) do(kind, flags uint16, body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.send(r.appendRequest(nil, kind, flags|unix.NLM_F_ACK, body)); err != nil {
		return err
	}
	return r.receive(nil)
}

// get sends one request that is answered by one message.
func (r *requester) get(kind uint16, body []byte, answer func(body []byte) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.send(r.appendRequest(nil, kind, 0, body)); err != nil {
		return err
	}
	return r.receive(answer)
}

// dump asks for all objects of a kind. It calls begin before each attempt, so that what an interrupted
// one delivered can be forgotten, and answer with each object.
func (r *requester) dump(kind uint16, body []byte, begin func(), answer func(body []byte) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := errInterrupted
	for attempt := 0; attempt < dumpAttempts && errors.Is(err, errInterrupted); attempt++ {
		begin()
		if err := r.send(r.appendRequest(nil, kind, unix.NLM_F_DUMP, body)); err != nil {
			return err
		}
		err = r.receive(answer)
	}
	return err
}

// batch sends requests of one kind, many at a time, and calls refused with the error of each that failed.
func (r *requester) batch(kind uint16, bodies [][]byte, refused func(unix.Errno)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(bodies) > 0 {
		n := min(len(bodies), batchMax)
		first := r.sequence + 1
		var b []byte
		for i, body := range bodies[:n] {
			var flags uint16
			if i == n-1 {
				flags = unix.NLM_F_ACK // the others answer only if they fail
			}
			b = r.appendRequest(b, kind, flags, body)
		}
		if err := r.send(b); err != nil {
			return err
		}
		if err := r.receiveRefusals(first, refused); err != nil {
			return err
		}
		bodies = bodies[n:]
	}
	return nil
}

func (r *requester) appendRequest(b []byte, kind, flags uint16, body []byte) []byte {
	r.sequence++
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.NLMSG_HDRLEN+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, r.sequence)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, body...)
	return append(b, make([]byte, align4(len(body))-len(body))...)
}

func (r *requester) send(b []byte) error {
	for {
		err := unix.Sendto(r.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// receive reads the answer to the newest request to its end, even if answer fails: the kernel refuses
// the next dump while one is unread.
func (r *requester) receive(answer func([]byte) error) error {
	var failure error
	interrupted := false
	for {
		messages, err := r.read()
		if err != nil {
			return err
		}
		for _, message := range messages {
			if message.Header.Seq != r.sequence {
				continue // of an exchange that was given up
			}
			interrupted = interrupted || message.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch message.Header.Type {
			case unix.NLMSG_ERROR, unix.NLMSG_DONE:
				if errno := errnoOf(message); errno != 0 {
					return errno
				}
				if interrupted {
					return errInterrupted
				}
				return failure
			}
			if failure == nil && answer != nil {
				failure = answer(message.Data)
			}
			if message.Header.Flags&unix.NLM_F_MULTI == 0 {
				return failure
			}
		}
	}
}

// receiveRefusals reads the answers to a batch that began with the request numbered first, up to that to
// its last request.
func (r *requester) receiveRefusals(first uint32, refused func(unix.Errno)) error {
	for {
		messages, err := r.read()
		if err != nil {
			return err
		}
		for _, message := range messages {
			if message.Header.Type != unix.NLMSG_ERROR || message.Header.Seq-first > r.sequence-first {
				continue
			}
			if errno := errnoOf(message); errno != 0 {
				refused(errno)
			}
			if message.Header.Seq == r.sequence {
				return nil
			}
		}
	}
}

func (r *requester) read() ([]syscall.NetlinkMessage, error) {
	for {
		n, from, err := unix.Recvfrom(r.fd, r.buffer, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, fmt.Errorf("read netlink answer: %w", err)
		case n > len(r.buffer):
			return nil, fmt.Errorf("read netlink answer: %w: %d bytes", errMalformed, n)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // not from the kernel
		}
		return syscall.ParseNetlinkMessage(r.buffer[:n])
	}
}

// errnoOf returns the number in an error, an acknowledgement (0) or the end of a dump.
func errnoOf(message syscall.NetlinkMessage) unix.Errno {
	if len(message.Data) < 4 {
		return 0
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(message.Data)))
}
