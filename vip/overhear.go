package vip

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// errOverheard is a second watch of claims beside one that runs.
var errOverheard = errors.New("claims are watched already")

// ears hear what others say of addresses, on every link of the namespace that they were opened in.
type ears struct {
	hearing sync.Mutex
	all     []*ear
}

// An ear is a packet socket for one EtherType. Being bound to that and not to all, it costs packets of other
// types nothing. It hears nothing before its first watch, and what this host sends never.
type ear struct {
	protocol uint16 // EtherType
	file     *os.File
	raw      syscall.RawConn
	scratch  [2048]byte
}

func openEars() (_ *ears, err error) {
	e := &ears{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	for _, protocol := range []uint16{unix.ETH_P_ARP, unix.ETH_P_IPV6} {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		one := &ear{protocol: protocol, file: os.NewFile(uintptr(fd), "claims")}
		e.all = append(e.all, one)
		if one.raw, err = one.file.SyscallConn(); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *ears) close() error {
	var errs []error
	for _, one := range e.all {
		errs = append(errs, one.file.Close())
	}
	return errors.Join(errs...)
}

// overhear is the kernel's, see there.
func (e *ears) overhear(ctx context.Context, ips []netip.Addr, heard func(index int, frame []byte)) error {
	if !e.hearing.TryLock() {
		return errOverheard
	}
	defer e.hearing.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, one := range e.all {
		if mine := one.speaksOf(ips); len(mine) > 0 {
			all.Go(func() { cancel(one.overhear(ctx, mine, heard)) })
		}
	}
	<-ctx.Done()
	all.Wait()
	return context.Cause(ctx)
}

// speaksOf returns the addresses that frames of the ear's type can name.
func (e *ear) speaksOf(ips []netip.Addr) []netip.Addr {
	var mine []netip.Addr
	for _, ip := range ips {
		if ip.Is4() == (e.protocol == unix.ETH_P_ARP) {
			mine = append(mine, ip)
		}
	}
	return mine
}

func (e *ear) overhear(ctx context.Context, ips []netip.Addr, heard func(index int, frame []byte)) error {
	if err := e.file.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	defer interruptAtEnd(ctx, e.file)()
	if err := e.attach(claimFilter(e.protocol, ips)); err != nil {
		return err
	}
	// Nobody reads what would come after, and a bound socket cannot be unbound.
	defer func() { _ = e.attach([]bpf.Instruction{dropFrame}) }()
	if err := e.bind(); err != nil {
		return err
	}
	for {
		if err := e.next(heard); err != nil {
			return err
		}
	}
}

func (e *ear) attach(program []bpf.Instruction) error {
	var failure error
	err := e.raw.Control(func(fd uintptr) { failure = attachFilter(int(fd), program) })
	return errors.Join(err, failure)
}

func (e *ear) bind() error {
	onTheWire := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, e.protocol))
	var failure error
	err := e.raw.Control(func(fd uintptr) { failure = unix.Bind(int(fd), &unix.SockaddrLinklayer{Protocol: onTheWire}) })
	return errors.Join(err, failure)
}

// next waits for one frame that somebody else sent, and hands it out.
func (e *ear) next(heard func(index int, frame []byte)) error {
	var (
		n    int
		from unix.Sockaddr
		got  error
	)
	err := e.raw.Read(func(fd uintptr) (done bool) {
		n, from, got = unix.Recvfrom(int(fd), e.scratch[:], 0)
		return !errors.Is(got, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return err
	case errors.Is(got, unix.EINTR), errors.Is(got, unix.ENOBUFS):
		return nil
	case got != nil:
		return got
	}
	link, ok := from.(*unix.SockaddrLinklayer)
	if ok && link.Pkttype != unix.PACKET_OUTGOING && link.Pkttype != unix.PACKET_LOOPBACK {
		heard(link.Ifindex, e.scratch[:n])
	}
	return nil
}

// interruptAtEnd makes a wait for the file end when ctx does. The function that it returns is to be called
// when nobody waits any more; after it the deadline is the caller's.
func interruptAtEnd(ctx context.Context, file *os.File) (done func()) {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		_ = file.SetReadDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-woken
		}
	}
}
