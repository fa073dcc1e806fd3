package health

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// filterPIDsMax bounds the filter's length; a host has a handful of instances. Beyond it every exit is let through.
const filterPIDsMax = 64

// setFilter makes the kernel drop what no watch wants, so that a host that starts and ends thousands of processes
// neither wakes this one nor overruns its buffer. Callers hold c.mu. Without a filter all is received and dropped
// later, so a kernel that refuses one costs time only.
func (c *Connector) setFilter() {
	pids := make([]int, 0, len(c.watches))
	for w := range c.watches {
		pids = append(pids, w.pid)
	}
	program := exitFilter(pids)
	// A failure of Control means a closed socket, which needs no filter.
	_ = c.raw.Control(func(s uintptr) {
		err := unix.SetsockoptSockFprog(int(s), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
		if err != nil {
			// The filter before it may be too narrow. That there was none is fine.
			_ = unix.SetsockoptInt(int(s), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		}
	})
}

// exitFilter passes ends of the processes in pids, all ends if there are too many.
func exitFilter(pids []int) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
		pass   = 0xffffffff // as many bytes of it as there are
	)
	program := []unix.SockFilter{
		{Code: load, K: whatOffset},
		{Code: equal, Jt: 2, K: loaded(eventExit)},
		{Code: equal, Jt: 1, K: loaded(eventCoredump)},
		{Code: answer, K: 0},
	}
	if len(pids) > filterPIDsMax {
		return append(program, unix.SockFilter{Code: answer, K: pass})
	}
	program = append(program, unix.SockFilter{Code: load, K: tgidOffset})
	for i, pid := range pids {
		program = append(program, unix.SockFilter{Code: equal, Jt: uint8(len(pids) - i), K: loaded(uint32(pid))})
	}
	return append(program, unix.SockFilter{Code: answer, K: 0}, unix.SockFilter{Code: answer, K: pass})
}

// loaded is what the filter's load makes of a number in the host's order: it reads big-endian.
func loaded(v uint32) uint32 {
	return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, v))
}
