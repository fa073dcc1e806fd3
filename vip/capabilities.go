package vip

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// MissingCapabilities names what the calling thread lacks to open a Manager and use it, sorted; nothing if it lacks
// nothing. It only asks, where Open tries. The error is the kernel's.
func MissingCapabilities() ([]string, error) {
	var have [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &have[0]); err != nil {
		return nil, fmt.Errorf("read capabilities: %w", err)
	}
	var lacks []string
	for _, c := range []struct {
		number uint
		name   string
	}{{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_NET_RAW, "CAP_NET_RAW"}} {
		if have[0].Effective&(1<<c.number) == 0 {
			lacks = append(lacks, c.name)
		}
	}
	return lacks, nil
}
