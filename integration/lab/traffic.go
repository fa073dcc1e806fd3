package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Flow is what passed in one direction.
type Flow struct {
	Packets int `json:"packets"`
	Bytes   int `json:"bytes"` // of Ethernet frames, without their checksum
}

func (f *Flow) add(bytes int) {
	f.Packets++
	f.Bytes += bytes
}

// Sub is what passed since an earlier look.
func (f Flow) Sub(earlier Flow) Flow {
	return Flow{Packets: f.Packets - earlier.Packets, Bytes: f.Bytes - earlier.Bytes}
}

// Traffic counts what the manager of one host says to the others and hears from them: UDP and TCP of the agents'
// port, VRRP, and every ARP frame, whoever asked for it. What the kernel hands over or takes as one large frame (TCP
// segments, of which a settled cluster has next to none) counts as one packet.
type Traffic struct {
	file    *os.File
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu             sync.Mutex
	sent, received Flow
	failed         error
}

const (
	agentPort    = 7946 // the default
	protocolVRRP = 112
)

// CountTraffic begins to count on a host's eth0. It ends with Traffic.Close.
func (h *Host) CountTraffic() (*Traffic, error) {
	n, err := h.powered()
	if err != nil {
		return nil, err
	}
	eth0, err := n.eth0()
	if err != nil {
		return nil, err
	}
	t := &Traffic{}
	if err := inNamespace(int(n.ns), func() error { return t.open(eth0.Attrs().Index) }); err != nil {
		if t.file != nil {
			t.file.Close()
		}
		return nil, fmt.Errorf("lab: %s: count traffic: %w", h.Name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	t.running.Add(1)
	go t.count(ctx)
	return t, nil
}

// open makes a packet socket that sees managers' frames only, from the first on.
func (t *Traffic) open(ifindex int) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0) // of no protocol yet
	if err != nil {
		return err
	}
	t.file = os.NewFile(uintptr(fd), "traffic")
	raw, err := bpf.Assemble(managersFilter())
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}); err != nil {
		return err
	}
	const everyProtocol = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everyProtocol, Ifindex: ifindex})
}

// managersFilter keeps the frames that Traffic counts.
func managersFilter() []bpf.Instruction {
	const typeAt, protocolAt, fragmentAt, ipAt, notFirst = 12, 23, 20, 14, 0x1fff
	port := func(at uint32, skip uint8) []bpf.Instruction {
		return []bpf.Instruction{bpf.LoadIndirect{Off: ipAt + at, Size: 2}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: agentPort, SkipTrue: skip}}
	}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: typeAt, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherARP, SkipTrue: 13},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 11},
		bpf.LoadAbsolute{Off: protocolAt, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolVRRP, SkipTrue: 10},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 7},
		bpf.LoadAbsolute{Off: fragmentAt, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: notFirst, SkipTrue: 5},
		bpf.LoadMemShift{Off: ipAt},
	}
	program = append(program, port(0, 3)...)
	program = append(program, port(2, 1)...)
	return append(program, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: 1 << 18}) // drop; keep, as long as it may be, since a cut frame tells a shorter length
}

func (t *Traffic) count(ctx context.Context) {
	defer t.running.Done()
	raw, err := t.file.SyscallConn()
	if err != nil {
		t.fail(err)
		return
	}
	var first [1]byte
	for {
		var n int
		var from unix.Sockaddr
		var got error
		err := raw.Read(func(fd uintptr) bool {
			n, from, got = unix.Recvfrom(int(fd), first[:], unix.MSG_TRUNC) // the whole length, whatever fits
			return !errors.Is(got, unix.EAGAIN)
		})
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(got, unix.EINTR):
		case err != nil || got != nil:
			t.fail(errors.Join(err, got))
			return
		default:
			t.saw(from, n)
		}
	}
}

func (t *Traffic) saw(from unix.Sockaddr, bytes int) {
	link, ok := from.(*unix.SockaddrLinklayer)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if link.Pkttype == unix.PACKET_OUTGOING {
		t.sent.add(bytes)
	} else {
		t.received.add(bytes)
	}
}

func (t *Traffic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = errors.Join(t.failed, fmt.Errorf("lab: count traffic: %w", err))
}

// Read is what passed so far.
func (t *Traffic) Read() (sent, received Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent, t.received
}

// Close ends the count. It returns the error that ended it before its time, if one did.
func (t *Traffic) Close() error {
	t.cancel()
	t.file.Close()
	t.running.Wait()
	return t.failed
}
