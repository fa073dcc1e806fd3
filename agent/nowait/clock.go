package nowait

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Boottime reads CLOCK_BOOTTIME, which counts through a suspend.
func Boottime() time.Duration {
	var ts unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		panic(fmt.Sprintf("read CLOCK_BOOTTIME: %v", errno)) // every kernel that Go runs on has it
	}
	return time.Duration(ts.Nano())
}
