package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a program has cost its host so far.
type Usage struct {
	At  Instant
	CPU time.Duration // of its processes that live, to the nanosecond
	// Scripts is the processor time of the children that ended and were waited for, such as check scripts, to 10 ms.
	Scripts  time.Duration
	RSS, PSS int // bytes of memory, of the processes that run the program itself
}

// Usage measures the running process, and for a program of several processes all of them.
func (d *daemon) Usage() (Usage, error) {
	p, err := d.current()
	if err != nil {
		return Usage{}, err
	}
	pids := []int{p.pid}
	if d.family {
		pids = append(pids, kin(p.pid)...)
	}
	u := Usage{At: Now()}
	program := programOf(p.pid)
	for _, pid := range pids {
		if err := u.add(pid, programOf(pid) == program); err != nil && pid == p.pid {
			return u, fmt.Errorf("lab: %s: what it costs: %w", d.name, err)
		} // a script may have ended since it was found
	}
	return u, nil
}

// add counts one process. Only what runs the program itself counts as its memory.
func (u *Usage) add(pid int, own bool) error {
	st, err := readStat(pid)
	if err != nil {
		return err
	}
	cpu, err := processTime(pid)
	if err != nil {
		return err
	}
	if u.Scripts += st.buried; !own {
		u.Scripts += cpu
		return nil
	}
	u.CPU += cpu
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return err
	}
	rss, pss := parseRollup(b)
	u.RSS += rss
	u.PSS += pss
	return nil
}

// processTime is the processor time of all threads of a process, also of those that have ended.
func processTime(pid int) (time.Duration, error) {
	// The clock of another process, as clock_getcpuclockid(3) makes it: the pid's complement, then CPUCLOCK_SCHED.
	const scheduled = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// programOf is the file that a process runs; "" if that cannot be told.
func programOf(pid int) string {
	path, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return ""
	}
	return path
}

// parseRollup reads the resident and the proportional size, in bytes, from /proc/PID/smaps_rollup.
func parseRollup(b []byte) (rss, pss int) {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch {
		case err != nil:
		case name == "Rss":
			rss = n << 10
		case name == "Pss":
			pss = n << 10
		}
	}
	return rss, pss
}
