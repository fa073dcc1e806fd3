package health

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// hangup waits for the end of a connection while nobody reads from it. It uses an epoll set of its own, which knows the
// connection's end from data, so that the owner may read and write at the same time.
type hangup struct {
	set *os.File
	raw syscall.RawConn
}

// watchHangup begins to watch. The connection may be closed before the watch.
func watchHangup(conn syscall.Conn) (*hangup, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("health: watch connection: %w", err)
	}
	err = unix.SetNonblock(fd, true) // Else os would not wait for it without a thread.
	set := os.NewFile(uintptr(fd), "hangup")
	h := &hangup{set: set}
	if err == nil {
		h.raw, err = set.SyscallConn()
	}
	if err == nil {
		err = h.add(conn)
	}
	if err != nil {
		_ = set.Close() // The first error tells more.
		return nil, fmt.Errorf("health: watch connection: %w", err)
	}
	return h, nil
}

func (h *hangup) add(conn syscall.Conn) error {
	rawConn, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var errAdd error
	errConn := rawConn.Control(func(connFD uintptr) {
		errSet := h.raw.Control(func(setFD uintptr) {
			// EPOLLERR and EPOLLHUP are always wanted. Edge-triggered: one report is enough.
			event := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(connFD)}
			errAdd = unix.EpollCtl(int(setFD), unix.EPOLL_CTL_ADD, int(connFD), &event)
		})
		if errSet != nil {
			errAdd = errSet
		}
	})
	if errConn != nil {
		return errConn
	}
	return errAdd
}

// wait returns true when the other side has ended the connection, false after close.
func (h *hangup) wait() bool {
	var ended bool
	err := h.raw.Read(func(fd uintptr) bool {
		events := make([]unix.EpollEvent, 1)
		n, err := unix.EpollWait(int(fd), events, 0)
		ended = err == nil && n > 0
		return ended || err != nil && err != unix.EINTR
	})
	return err == nil && ended
}

func (h *hangup) close() { _ = h.set.Close() } // Nothing can depend on it.
