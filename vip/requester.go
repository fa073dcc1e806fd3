package vip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"memvip/agent/nowait"
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
	kernel   *unix.SockaddrNetlink // whom it speaks to

	// Room for what goes out and comes in, so that an exchange costs no memory.
	request []byte
	buffer  []byte
	answers []answer // in buffer
}

// An answer is one message of the kernel's.
type answer struct {
	kind, flags uint16
	sequence    uint32
	body        []byte
}

func openRequester(protocol int) (*requester, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, err
	}
	r := &requester{fd: fd, buffer: make([]byte, answerBytesMax), kernel: &unix.SockaddrNetlink{Family: unix.AF_NETLINK}}
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
	if err := r.send(r.appendRequest(r.request[:0], kind, flags|unix.NLM_F_ACK, body)); err != nil {
		return err
	}
	return r.receive((*requester).readReady, nil)
}

// get sends one request that is answered by one message.
func (r *requester) get(kind uint16, body []byte, answer func(body []byte) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.send(r.appendRequest(r.request[:0], kind, 0, body)); err != nil {
		return err
	}
	return r.receive((*requester).readReady, answer)
}

// dump asks for all objects of a kind. It calls begin before each attempt, so that what an interrupted
// one delivered can be forgotten, and answer with each object.
func (r *requester) dump(kind uint16, body []byte, begin func(), answer func(body []byte) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := errInterrupted
	for attempt := 0; attempt < dumpAttempts && errors.Is(err, errInterrupted); attempt++ {
		begin()
		if err := r.send(r.appendRequest(r.request[:0], kind, unix.NLM_F_DUMP, body)); err != nil {
			return err
		}
		err = r.receive((*requester).read, answer)
	}
	return err
}

// A change is one message of an nftables transaction.
type change struct {
	kind, flags uint16
	body        []byte
}

// transact carries out changes to the rule set, all or none. It fails with the number of the first that the kernel
// refused. There must be one at least.
func (r *requester) transact(changes []change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sequence++ // one number for all, so that any refusal is an answer to this
	b := r.appendMessage(r.request[:0], unix.NFNL_MSG_BATCH_BEGIN, 0, transactionHeader)
	for i, c := range changes {
		if i == len(changes)-1 {
			c.flags |= unix.NLM_F_ACK // comes behind all refusals
		}
		b = r.appendMessage(b, unix.NFNL_SUBSYS_NFTABLES<<8|c.kind, c.flags, c.body)
	}
	b = r.appendMessage(b, unix.NFNL_MSG_BATCH_END, 0, transactionHeader)
	if err := r.send(b); err != nil {
		return err
	}
	return r.receive((*requester).readReady, nil)
}

// transactionHeader is netfilter's header of a message that begins or ends a transaction; it names the subsystem.
var transactionHeader = []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}

// batch sends requests of one kind, many at a time, and calls refused with the index and the error of each that failed.
// Between two times other callers have their turn.
func (r *requester) batch(kind uint16, bodies [][]byte, refused func(int, unix.Errno)) error {
	sent := 0
	for some := range slices.Chunk(bodies, batchMax) {
		if err := r.together(kind, some, func(i int, errno unix.Errno) { refused(sent+i, errno) }); err != nil {
			return err
		}
		sent += len(some)
	}
	return nil
}

// together sends batchMax requests of one kind at most, as batch does.
func (r *requester) together(kind uint16, bodies [][]byte, refused func(int, unix.Errno)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.sequence + 1
	b := r.request[:0]
	for i, body := range bodies {
		var flags uint16
		if i == len(bodies)-1 {
			flags = unix.NLM_F_ACK // the others answer only if they fail
		}
		b = r.appendRequest(b, kind, flags, body)
	}
	if err := r.send(b); err != nil {
		return err
	}
	return r.receiveRefusals(first, refused)
}

// appendRequest appends a request with a number of its own.
func (r *requester) appendRequest(b []byte, kind, flags uint16, body []byte) []byte {
	r.sequence++
	return r.appendMessage(b, kind, flags, body)
}

func (r *requester) appendMessage(b []byte, kind, flags uint16, body []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.NLMSG_HDRLEN+len(body)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, r.sequence)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, body...)
	return append(b, make([]byte, align4(len(body))-len(body))...)
}

// send may wait for the kernel's locks.
func (r *requester) send(b []byte) error {
	r.request = b
	for {
		err := unix.Sendto(r.fd, b, 0, r.kernel)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// receive reads the answer to the newest request to its end, even if answer fails: the kernel refuses
// the next dump while one is unread.
func (r *requester) receive(read func(*requester) error, answer func(body []byte) error) error {
	var failure error
	interrupted := false
	for {
		if err := read(r); err != nil {
			return err
		}
		for _, message := range r.answers {
			if message.sequence != r.sequence {
				continue // of an exchange that was given up
			}
			interrupted = interrupted || message.flags&unix.NLM_F_DUMP_INTR != 0
			switch message.kind {
			case unix.NLMSG_ERROR, unix.NLMSG_DONE:
				if errno := message.errno(); errno != 0 {
					return errno
				}
				if interrupted {
					return errInterrupted
				}
				return failure
			}
			if failure == nil && answer != nil {
				failure = answer(message.body)
			}
			if message.flags&unix.NLM_F_MULTI == 0 {
				return failure
			}
		}
	}
}

// receiveRefusals reads the answers to a batch that began with the request numbered first, up to that to
// its last request.
func (r *requester) receiveRefusals(first uint32, refused func(int, unix.Errno)) error {
	for {
		if err := r.read(); err != nil {
			return err
		}
		for _, message := range r.answers {
			if message.kind != unix.NLMSG_ERROR || message.sequence-first > r.sequence-first {
				continue
			}
			if errno := message.errno(); errno != 0 {
				refused(int(message.sequence-first), errno)
			}
			if message.sequence == r.sequence {
				return nil
			}
		}
	}
}

// read takes the kernel's next datagram apart, and waits for it.
func (r *requester) read() error {
	for {
		n, from, err := unix.Recvfrom(r.fd, r.buffer, unix.MSG_TRUNC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		sender, known := from.(*unix.SockaddrNetlink)
		if err == nil && (!known || sender.Pid != 0) {
			continue // not from the kernel
		}
		return r.parse(n, err)
	}
}

// readReady is read for what the kernel has answered before the request's system call returned: all but dumps.
func (r *requester) readReady() error {
	for {
		n, port, err := nowait.ReceiveNetlink(r.fd, r.buffer)
		if err == unix.EAGAIN {
			return r.read()
		}
		if err == nil && port != 0 {
			continue // not from the kernel
		}
		return r.parse(n, err)
	}
}

// parse takes apart the n bytes that were read.
func (r *requester) parse(n int, err error) error {
	r.answers = r.answers[:0]
	switch {
	case err != nil:
		return fmt.Errorf("read netlink answer: %w", err)
	case n > len(r.buffer):
		return fmt.Errorf("read netlink answer: %w: %d bytes", errMalformed, n)
	}
	for b := r.buffer[:n]; len(b) >= unix.NLMSG_HDRLEN; {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return fmt.Errorf("read netlink answer: %w", errMalformed)
		}
		r.answers = append(r.answers, answer{
			kind: binary.NativeEndian.Uint16(b[4:]), flags: binary.NativeEndian.Uint16(b[6:]), sequence: binary.NativeEndian.Uint32(b[8:]),
			body: b[unix.NLMSG_HDRLEN:size],
		})
		b = b[min(align4(size), len(b)):]
	}
	return nil
}

// errno returns the number in an error, an acknowledgement (0) or the end of a dump.
func (a answer) errno() unix.Errno {
	if len(a.body) < 4 {
		return 0
	}
	return unix.Errno(-int32(binary.NativeEndian.Uint32(a.body)))
}
