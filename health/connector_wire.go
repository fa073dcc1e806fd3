package health

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// The process connector's protocol, from linux/connector.h and linux/cn_proc.h. All numbers are in the host's order.
const (
	connectorGroup = 1 // CN_IDX_PROC, as multicast group and as message index
	connectorValue = 1 // CN_VAL_PROC

	opListen = 1 // PROC_CN_MCAST_LISTEN
	opIgnore = 2 // PROC_CN_MCAST_IGNORE

	eventNone     = 0x00000000 // the answer to a request
	eventCoredump = 0x40000000
	eventExit     = 0x80000000
)

// Layout: struct nlmsghdr, struct cn_msg, struct proc_event. Offsets are from the start of each.
const (
	nlHeaderBytes = unix.SizeofNlMsghdr // 16
	cnHeaderBytes = 20                  // idx, val, seq, ack uint32; len, flags uint16
	cnAckOffset   = 12
	cnLenOffset   = 16

	eventTimeOffset = 8  // after what and cpu
	eventDataOffset = 16 // the union: error of an answer; or the thread's id, then its group's
	eventBytesMin   = 24 // with the two ids, which all kinds wanted here have
	exitCodeOffset  = eventDataOffset + 8

	// Offsets in a whole message, for the socket filter.
	whatOffset = nlHeaderBytes + cnHeaderBytes
	tgidOffset = whatOffset + eventDataOffset + 4
)

// procEvent is one decoded event. ack and ackErr belong to eventNone, pid and tgid to the others wanted here.
type procEvent struct {
	what      uint32
	ack       uint32
	ackErr    uint32
	monotonic time.Duration // CLOCK_MONOTONIC
	pid, tgid int
	killed    bool // the thread ended by SIGKILL
}

// ends tells the events that end a thread or, in the case of a core dump, the process.
func (e procEvent) ends() bool { return e.what == eventExit || e.what == eventCoredump }

// endsProcess tells those that end the process. SIGKILL never ends one thread alone: the others that execve ends have zero for
// their code (Linux kernel/exit.c, do_group_exit).
func (e procEvent) endsProcess() bool {
	return e.what == eventCoredump || e.what == eventExit && (e.pid == e.tgid || e.killed)
}

// decodeProcEvent takes the first netlink message off b. It returns io.EOF when b is empty.
func decodeProcEvent(b []byte) (ev procEvent, rest []byte, err error) {
	if len(b) == 0 {
		return procEvent{}, nil, io.EOF
	}
	if len(b) < nlHeaderBytes {
		return procEvent{}, nil, fmt.Errorf("netlink header of %d bytes", len(b))
	}
	total := binary.NativeEndian.Uint32(b)
	if total < nlHeaderBytes+cnHeaderBytes || uint64(total) > uint64(len(b)) {
		return procEvent{}, nil, fmt.Errorf("netlink message of %d bytes in %d", total, len(b))
	}
	rest = b[min((int(total)+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
	ev, err = decodeConnector(b[nlHeaderBytes:total])
	return ev, rest, err
}

func decodeConnector(b []byte) (procEvent, error) {
	idx, val := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
	if idx != connectorGroup || val != connectorValue {
		return procEvent{}, fmt.Errorf("connector message of %d.%d", idx, val)
	}
	size := int(binary.NativeEndian.Uint16(b[cnLenOffset:]))
	data := b[cnHeaderBytes:]
	if size < eventBytesMin || size > len(data) {
		return procEvent{}, fmt.Errorf("event of %d bytes in %d", size, len(data))
	}
	ev := procEvent{
		what:      binary.NativeEndian.Uint32(data),
		monotonic: time.Duration(binary.NativeEndian.Uint64(data[eventTimeOffset:])),
	}
	first, second := binary.NativeEndian.Uint32(data[eventDataOffset:]), binary.NativeEndian.Uint32(data[eventDataOffset+4:])
	if ev.what == eventNone {
		ev.ack, ev.ackErr = binary.NativeEndian.Uint32(b[cnAckOffset:]), first
		return ev, nil
	}
	ev.pid, ev.tgid = int(int32(first)), int(int32(second))
	if ev.what == eventExit && size >= exitCodeOffset+4 {
		status := unix.WaitStatus(binary.NativeEndian.Uint32(data[exitCodeOffset:]))
		ev.killed = status.Signaled() && status.Signal() == unix.SIGKILL
	}
	return ev, nil
}

// encodeOp makes a request whose answer carries ack + 1.
func encodeOp(ack uint32, data []byte) []byte {
	b := make([]byte, nlHeaderBytes+cnHeaderBytes, nlHeaderBytes+cnHeaderBytes+len(data))
	binary.NativeEndian.PutUint32(b, uint32(cap(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NLMSG_DONE)
	cn := b[nlHeaderBytes:]
	binary.NativeEndian.PutUint32(cn, connectorGroup)
	binary.NativeEndian.PutUint32(cn[4:], connectorValue)
	binary.NativeEndian.PutUint32(cn[cnAckOffset:], ack)
	binary.NativeEndian.PutUint16(cn[cnLenOffset:], uint16(len(data)))
	return append(b, data...)
}
