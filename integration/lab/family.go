package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Some programs are several processes: keepalived is a parent, which starts what dies anew, its children, which tell
// a parent's death by a signal and end in order, and the scripts that those run. A fault that strikes such a program
// has to strike all of it at once, or what is measured is its orderly end.

// kin are the descendants of a process, elders first.
func kin(pid int) []int {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if st, err := readStat(child); err == nil {
			children[st.parent] = append(children[st.parent], child)
		}
	}
	var all []int
	for next := children[pid]; len(next) > 0; {
		all = append(all, next...)
		var younger []int
		for _, p := range next {
			younger = append(younger, children[p]...)
		}
		next = younger
	}
	return all
}

// signalFamily signals a process and its kin, which were looked up before so that the instant of the fault can be
// taken just before the first signal.
func signalFamily(pid int, kin []int, s syscall.Signal) error {
	if s == unix.SIGKILL {
		// The elder stands still first, so that it cannot replace a child before its own turn comes.
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			return err
		}
		for _, p := range kin {
			// One that has ended since needs no end.
			_ = unix.Kill(p, s)
		}
		return unix.Kill(pid, s)
	}
	if err := unix.Kill(pid, s); err != nil {
		return err
	}
	for _, p := range kin {
		_ = unix.Kill(p, s)
	}
	return nil
}

// awaitFamily polls until every thread of a process and of its kin, those that were born meanwhile too, is in one of
// the states of /proc/PID/stat.
func (d *daemon) awaitFamily(p *process, s syscall.Signal, states string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return poll(ctx, func() error {
		for _, pid := range kin(p.pid) {
			if got, err := threadStates(pid); err == nil && strings.Trim(got, states) != "" {
				_ = unix.Kill(pid, s)
				return fmt.Errorf("lab: %s: pid %d is in state %q, want %q", d.name, pid, got, states)
			}
		}
		return nil
	})
}

// awaitGone polls until none of the processes runs.
func awaitGone(pids []int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return poll(ctx, func() error {
		i := slices.IndexFunc(pids, func(pid int) bool {
			got, err := threadStates(pid)
			return err == nil && strings.Trim(got, "ZX") != "" // whoever inherits the rest will bury it
		})
		if i >= 0 {
			return fmt.Errorf("lab: pid %d is still there", pids[i])
		}
		return nil
	})
}

// procStat is what we need of /proc/PID/stat.
type procStat struct {
	parent int
	buried time.Duration // processor time of the children that ended and were waited for, and of theirs
}

// tick is the unit of processor time in /proc: USER_HZ is 100 on every platform that Go runs on.
const tick = 10 * time.Millisecond

func readStat(pid int) (procStat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(string(b))
}

// parseStat reads a line of /proc/PID/stat. The name stands in parentheses and may hold anything.
func parseStat(line string) (procStat, error) {
	const parentAt, buriedUserAt, buriedSystemAt = 1, 13, 14 // counted from the state, the first field after the name
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(fields) <= buriedSystemAt {
		return procStat{}, fmt.Errorf("lab: process status %q is too short", line)
	}
	var n [3]int
	for i, at := range []int{parentAt, buriedUserAt, buriedSystemAt} {
		var err error
		if n[i], err = strconv.Atoi(fields[at]); err != nil {
			return procStat{}, fmt.Errorf("lab: process status: %w", err)
		}
	}
	return procStat{parent: n[0], buried: time.Duration(n[1]+n[2]) * tick}, nil
}
