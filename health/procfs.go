package health

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Fields of /proc/PID/stat and /proc/PID/status, from proc_pid_stat(5) and linux/sched.h.
const (
	flagsField  = 9 - 3  // counted from the state, which is field 3
	startField  = 22 - 3 // ticks after boot
	flagExiting = 0x4    // PF_EXITING
	ticksPerSec = 100    // USER_HZ, the same on every machine that Go runs on
	killPending = 1 << (uint(unix.SIGKILL) - 1)
)

// task is what the kernel shows of a process's leading thread to everybody.
type task struct {
	started uint64 // ticks after boot; tells processes with the same id apart
	ending  bool   // it is exiting, a zombie, or has a SIGKILL waiting
}

// look reads what is known of a process. A process that is no more gives fs.ErrNotExist.
func look(pid int) (task, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := readProc(dir + "/stat")
	if err != nil {
		return task{}, err
	}
	t, err := parseStat(stat)
	if err != nil || t.ending {
		return t, err
	}
	status, err := readProc(dir + "/status")
	if err != nil {
		return task{}, err
	}
	t.ending = parseStatus(status).killed
	return t, nil
}

// readProc makes the error of a process that ended while it was read the same as that of one gone before.
func readProc(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return b, err
}

// parseStat reads /proc/PID/stat. The command in parentheses may hold anything, parentheses and blanks too.
func parseStat(b []byte) (task, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return task{}, errors.New("process status without a command")
	}
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) <= startField {
		return task{}, fmt.Errorf("process status of %d fields", len(fields)+2)
	}
	flags, errFlags := strconv.ParseUint(fields[flagsField], 10, 64)
	started, errStarted := strconv.ParseUint(fields[startField], 10, 64)
	if err := errors.Join(errFlags, errStarted); err != nil {
		return task{}, fmt.Errorf("process status: %w", err)
	}
	state := fields[0]
	return task{started: started, ending: flags&flagExiting != 0 || state == "Z" || state == "X"}, nil
}

// status holds what is wanted of /proc/PID/status.
type status struct {
	name       string
	namespaces int  // how many process-id namespaces down from that of /proc; 1 is the same one; 0 unknown
	killed     bool // a SIGKILL is waiting
}

func parseStatus(b []byte) status {
	var s status
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			s.name = value
		case "NSpid":
			s.namespaces = len(strings.Fields(value))
		case "SigPnd", "ShdPnd":
			signals, err := strconv.ParseUint(value, 16, 64)
			s.killed = s.killed || err == nil && signals&killPending != 0
		}
	}
	return s
}

// holds tells whether the process has the socket open. Where that may not be known the error is fs.ErrPermission.
func holds(pid int, inode uint32) (bool, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/fd"
	dir, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = dir.Close() }() // It was only read.
	want := "socket:[" + strconv.FormatUint(uint64(inode), 10) + "]"
	for {
		// In portions: a listener has a low number, and there may be a connection of each of thousands of clients.
		names, err := dir.Readdirnames(64)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, name := range names {
			target, err := os.Readlink(path + "/" + name)
			if errors.Is(err, fs.ErrPermission) {
				return false, err
			}
			if err == nil && target == want {
				return true, nil
			}
		}
	}
}

// processes lists the ids of all processes.
func processes() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // It was only read.
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// age is how long ago a process started, suspended time included, as its start is counted.
func (t task) age() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, err
	}
	return time.Duration(now.Nano()) - identity{started: t.started}.began(), nil
}
