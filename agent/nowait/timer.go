package nowait

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Timer tells when a time has come, by the clock that Boottime reads. For a timer of the runtime's its monitor wakes up
// as well, each time, and stays awake as long as anything runs.
//
// Its methods belong to one goroutine.
type Timer struct {
	C <-chan struct{} // has something once the time has come; perhaps also once for a time that was set before

	come  chan struct{} // C
	file  *os.File
	fd    uintptr       // of file
	ended chan struct{} // closed when nobody reads file any more
	plain *time.Timer   // instead of file, where the kernel has none to give
}

// NewTimer returns one that waits for nothing yet. It is to be stopped.
func NewTimer() *Timer {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return PlainTimer()
	}
	t := newTimer()
	t.fd, t.file, t.ended = uintptr(fd), os.NewFile(uintptr(fd), "timer"), make(chan struct{})
	raw, err := t.file.SyscallConn()
	if err == nil {
		err = t.file.SetReadDeadline(time.Time{}) // fails if the runtime cannot wait for it
	}
	if err != nil {
		_ = t.file.Close()
		return PlainTimer()
	}
	go t.run(raw)
	return t
}

func newTimer() *Timer {
	come := make(chan struct{}, 1)
	return &Timer{C: come, come: come}
}

// PlainTimer returns one of the runtime's. It does as well, at more cost, and also in a test's simulated time.
func PlainTimer() *Timer {
	t := newTimer()
	t.plain = time.AfterFunc(time.Hour, t.tell)
	t.plain.Stop()
	return t
}

// Reset has it wait for so long from now; for nothing if that is over.
func (t *Timer) Reset(d time.Duration) {
	select {
	case <-t.come:
	default:
	}
	if t.plain != nil {
		t.plain.Reset(max(0, d))
		return
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(1, d)))} // zero would disarm it
	unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, t.fd, 0, uintptr(unsafe.Pointer(&at)), 0, 0, 0)
}

// Stop ends it. It cannot be set again.
func (t *Timer) Stop() {
	if t.plain != nil {
		t.plain.Stop()
		return
	}
	_ = t.file.Close() // which ends the read; there is nothing that could be lost
	<-t.ended
}

// run tells of every time that has come until the file is closed.
func (t *Timer) run(raw syscall.RawConn) {
	defer close(t.ended)
	var expired uint64
	read := func(fd uintptr) bool {
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&expired)), unsafe.Sizeof(expired))
		return errno != unix.EAGAIN
	}
	for raw.Read(read) == nil {
		t.tell()
	}
}

func (t *Timer) tell() {
	select {
	case t.come <- struct{}{}:
	default:
	}
}
