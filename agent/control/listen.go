package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketMode lets root and the socket's group ask. The unit chooses both.
const socketMode = 0o660

// socketPathBytesMax is the room in the kernel's sockaddr_un, less the final zero and the suffix that
// the socket has until it is ready.
const socketPathBytesMax = 107 - len(freshSuffix)

// freshSuffix marks a socket that is not yet in its place.
const freshSuffix = ".new"

// ErrInUse means that a live agent answers on the socket.
var ErrInUse = errors.New("another agent answers there")

// listen makes the socket and puts it in its place. It is never open to more than socketMode allows:
// the mode is set on the descriptor, from which the kernel takes that of the file, and a connect
// before it is renamed into place finds nobody it could mean.
func listen(path string) (*net.UnixListener, os.FileInfo, error) {
	if len(path) > socketPathBytesMax {
		return nil, nil, fmt.Errorf("control: listen on %s: the path has %d bytes, a socket's may have %d", path, len(path), socketPathBytesMax)
	}
	if err := checkPlace(path); err != nil {
		return nil, nil, fmt.Errorf("control: listen on %s: %w", path, err)
	}
	l, err := bind(path + freshSuffix)
	if err != nil {
		return nil, nil, fmt.Errorf("control: listen on %s: %w", path, err)
	}
	info, err := settle(path)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("control: listen on %s: %w", path, err), l.Close(), os.Remove(path+freshSuffix))
	}
	return l, info, nil
}

// bind listens on a fresh socket, over the remains of a start that did not get any further.
func bind(fresh string) (*net.UnixListener, error) {
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmodErr error
		err := c.Control(func(fd uintptr) { chmodErr = unix.Fchmod(int(fd), socketMode) })
		return errors.Join(err, chmodErr)
	}}
	l, err := config.Listen(context.Background(), "unix", fresh)
	if err != nil {
		return nil, rootCause(err)
	}
	unixListener := l.(*net.UnixListener)
	unixListener.SetUnlinkOnClose(false) // by the time it closes, its name is another
	return unixListener, nil
}

// settle widens what the umask took away and moves the socket to its place, over a stale one.
func settle(path string) (os.FileInfo, error) {
	fresh := path + freshSuffix
	if err := os.Chmod(fresh, socketMode); err != nil {
		return nil, err
	}
	info, err := os.Lstat(fresh)
	if err != nil {
		return nil, err
	}
	return info, os.Rename(fresh, path)
}

// checkPlace refuses a path on which somebody answers, or that holds something else than a socket.
// The caller keeps a second agent of this host from doing the same at the same time, by the lock in
// its runtime directory.
func checkPlace(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("the path is taken by something that is no socket (%s)", info.Mode())
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		return errors.Join(ErrInUse, conn.Close())
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil // stale, or gone meanwhile
	case errors.Is(err, unix.EAGAIN):
		return ErrInUse // alive enough to have a full queue
	}
	return fmt.Errorf("see whether an agent answers there: %w", rootCause(err))
}

// rootCause drops the operation and path that package net adds and that the caller's message has.
func rootCause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	return err
}
