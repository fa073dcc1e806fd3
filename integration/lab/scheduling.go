package lab

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"memvip/systemd"
)

// Agents run in the scheduling class that their unit gives them, where this process may have them so. Inside a user
// namespace it may not.

// Realtime reports whether they do.
func (l *Lab) Realtime() bool { return l.chrt != nil }

// scheduled returns the command that starts the one behind it in that class; none where that is not allowed.
func scheduled() ([]string, error) {
	policy, err := systemd.Setting("Service", "CPUSchedulingPolicy")
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	priority, err := systemd.Setting("Service", "CPUSchedulingPriority")
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if policy != "rr" {
		return nil, fmt.Errorf("lab: scheduling policy %s: want rr, the only one known here", policy)
	}
	n, err := strconv.ParseUint(priority, 10, 7)
	if err != nil {
		return nil, fmt.Errorf("lab: scheduling priority: %w", err)
	}
	switch err := tryRoundRobin(uint32(n)); {
	case errors.Is(err, unix.EPERM):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("lab: scheduling class: %w", err)
	}
	return []string{"chrt", "--rr", priority}, nil // pid and parent stay, and so does what becomes of it with them
}

// tryRoundRobin puts a thread into the class that ends with it.
func tryRoundRobin(priority uint32) error {
	tried := make(chan error)
	go func() {
		runtime.LockOSThread()
		tried <- unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: priority}, 0)
	}()
	return <-tried
}
