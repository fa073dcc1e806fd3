package vip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errWatched is a second watch beside one that runs.
var errWatched = errors.New("links are watched already")

// linkGroups are the kernel's announcements that bear on a Link.
var linkGroups = []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR}

// removal is the kernel's notice that an address went.
type removal struct {
	prefix netip.Prefix
	port   uint32 // of the netlink socket that asked for it; 0: the kernel did it by itself
}

// String says who it was, as far as that can be told: most programs' first netlink socket has their pid for its
// port.
func (r removal) String() string {
	if r.port == 0 {
		return "the kernel"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", r.port))
	if err != nil {
		return fmt.Sprintf("netlink port %d", r.port)
	}
	return fmt.Sprintf("%s, pid %d", strings.TrimSpace(string(name)), r.port)
}

// An eventSocket hears that links or addresses changed. What changed is not read from the messages but
// asked for afterwards, so that a lost message costs nothing. Only who removed an address is read from them.
type eventSocket struct {
	watching sync.Mutex
	file     *os.File
	raw      syscall.RawConn
	scratch  [1 << 13]byte
}

func openEventSocket() (*eventSocket, error) {
	kind := unix.SOCK_RAW | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err := unix.Socket(unix.AF_NETLINK, kind, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "netlink events")
	raw, err := file.SyscallConn()
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &eventSocket{file: file, raw: raw}, nil
}

func (e *eventSocket) close() error { return e.file.Close() }

func (k *netlinkKernel) watch(ctx context.Context, changed func() error, removed func(removal)) error {
	own, err := k.route.port()
	if err != nil {
		return err
	}
	return k.events.watch(ctx, own, changed, removed)
}

// watch calls changed at its begin and after changes: at once after others', ownWait after the first of those that the socket of
// the port own made.
func (e *eventSocket) watch(ctx context.Context, own uint32, changed func() error, removed func(removal)) error {
	if !e.watching.TryLock() {
		return errWatched
	}
	defer e.watching.Unlock()
	if err := e.readUntil(ctx, time.Time{}); err != nil {
		return err
	}
	defer interruptAtEnd(ctx, e.file)()
	if err := e.groups(unix.NETLINK_ADD_MEMBERSHIP); err != nil {
		return err
	}
	defer func() { _ = e.groups(unix.NETLINK_DROP_MEMBERSHIP) }()
	for {
		if err := changed(); err != nil {
			return err
		}
		others, err := e.wait(own, removed)
		if err == nil && !others {
			err = e.waitLonger(ctx, own, removed)
		}
		if err != nil {
			return err
		}
	}
}

// ownWait is for how long own changes are not told of: listing all links takes what a failover does not have to wait for.
const ownWait = 50 * time.Millisecond

// waitLonger waits for others' changes until ownWait is over.
func (e *eventSocket) waitLonger(ctx context.Context, own uint32, removed func(removal)) error {
	others, err := false, e.readUntil(ctx, time.Now().Add(ownWait))
	for err == nil && !others {
		others, err = e.wait(own, removed)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return e.readUntil(ctx, time.Time{})
}

// readUntil sets the deadline of reads, unless ctx has ended, which sets one as well.
func (e *eventSocket) readUntil(ctx context.Context, t time.Time) error {
	if err := e.file.SetReadDeadline(t); err != nil {
		return err
	}
	return ctx.Err()
}

func (e *eventSocket) groups(option int) error {
	var errs []error
	err := e.raw.Control(func(fd uintptr) {
		for _, group := range linkGroups {
			errs = append(errs, unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, option, group))
		}
	})
	return errors.Join(append(errs, err)...)
}

// wait returns when at least one message has come, and takes all that have. It reports whether any tells of what others did.
func (e *eventSocket) wait(own uint32, removed func(removal)) (others bool, err error) {
	var failure error
	heard := false
	err = e.raw.Read(func(fd uintptr) (done bool) {
		for {
			n, from, err := unix.Recvfrom(int(fd), e.scratch[:], 0)
			switch {
			case err == nil:
				heard = true
				others = ofOthers(e.scratch[:n], from, own, removed) || others
			case errors.Is(err, unix.ENOBUFS): // some were lost
				heard, others = true, true
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return heard
			default:
				failure = err
				return true
			}
		}
	})
	return others, errors.Join(err, failure)
}

// ofOthers reports whether a datagram of the kernel's tells of anything but addresses that the socket of the port own put up,
// prolonged or removed. It calls removed with every notice that an address of another's doing went.
func ofOthers(datagram []byte, from unix.Sockaddr, own uint32, removed func(removal)) (news bool) {
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return false // not from the kernel
	}
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return true
	}
	for _, message := range messages {
		kind, port := message.Header.Type, message.Header.Pid
		if (kind == unix.RTM_NEWADDR || kind == unix.RTM_DELADDR) && port == own {
			continue
		}
		news = true
		if kind != unix.RTM_DELADDR {
			continue
		}
		if p, err := decodeAddress(message.Data); err == nil {
			removed(removal{prefix: p.Prefix, port: port})
		}
	}
	return news
}
