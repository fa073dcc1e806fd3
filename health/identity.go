package health

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"strconv"
	"time"
)

// identity is what is known of the process behind an address. Any part may be unknown: zero.
type identity struct {
	inode     uint32 // the listening socket; a new process has a new one
	pid       int    // as /proc here numbers it
	started   uint64 // of pid, in ticks after boot
	toldPID   int    // as the process itself says, perhaps by the numbers of another namespace
	toldStart int64  // as the process itself says: its time less its uptime, constant for a process
	workers   int    // as the process itself says
}

// same tells whether two identities agree in all that both know. If they have nothing to compare they do not: after
// the end of a connection, a process that cannot be shown to be the old one counts as another.
func (id identity) same(other identity) bool {
	compared := false
	for _, pair := range [...][2]int64{
		{int64(id.inode), int64(other.inode)},
		{int64(id.pid), int64(other.pid)},
		{int64(id.started), int64(other.started)},
		{int64(id.toldPID), int64(other.toldPID)},
		{id.toldStart, other.toldStart},
	} {
		if pair[0] == 0 || pair[1] == 0 {
			continue
		}
		if pair[0] != pair[1] {
			return false
		}
		compared = true
	}
	return compared
}

// known returns the process id to report: the one valid here, else what the process said.
func (id identity) known() int {
	if id.pid != 0 {
		return id.pid
	}
	return id.toldPID
}

// began returns when the process began, by CLOCK_BOOTTIME: the tick in which it did so, from its start. 0: not known.
func (id identity) began() time.Duration {
	return time.Duration(id.started) * (time.Second / ticksPerSec)
}

// gone tells whether the process ended, or is ending: certainly so, or not known.
func (id identity) gone() bool {
	if id.pid == 0 {
		return false
	}
	t, err := look(id.pid)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return t.ending || t.started != id.started
}

// identify learns who listens at addr. told holds what the process said of itself, or nothing.
func identify(ctx context.Context, addr netip.AddrPort, told map[string]string) identity {
	id := identity{
		toldPID: number[int](told, "pid"),
		workers: number[int](told, "threads"),
	}
	if now, up := number[int64](told, "time"), number[int64](told, "uptime"); now != 0 && told["uptime"] != "" {
		id.toldStart = now - up
	}
	id.inode, _ = listenerInode(addr) // Zero, unknown, on any error: another part may be known.
	id.pid = owner(ctx, id.inode, id.toldPID)
	if id.pid == 0 && plausible(id.toldPID, number[int64](told, "uptime")) {
		id.pid = id.toldPID
	}
	if id.pid == 0 {
		return id
	}
	t, err := look(id.pid)
	if err != nil {
		id.pid = 0
	}
	id.started = t.started
	return id
}

func number[T int | int64](told map[string]string, name string) T {
	n, err := strconv.ParseInt(told[name], 10, 64)
	if err != nil {
		return 0 // unknown
	}
	return T(n)
}

// scanMax bounds the search through all processes, which is needed only if the server's own numbering is another one,
// or untold. It takes some 10 ms per thousand open files on the host, and the first answer is not told before it ends.
const scanMax = 2 * time.Second

// owner finds the process that has the listening socket open: the one named by hint if it has, else the first other
// one. 0 means that there is none here, or that it may not be known.
func owner(ctx context.Context, inode uint32, hint int) int {
	if inode == 0 {
		return 0
	}
	if hint > 0 {
		if ok, err := holds(hint, inode); err == nil && ok {
			return hint
		}
	}
	ctx, cancel := context.WithTimeout(ctx, scanMax)
	defer cancel()
	pids, err := processes()
	if err != nil {
		return 0
	}
	for _, pid := range pids {
		if ctx.Err() != nil {
			return 0
		}
		if ok, err := holds(pid, inode); err == nil && ok {
			return pid
		}
	}
	return 0
}

// uptimeSlack is how much memcached's uptime and the process's age may differ: memcached starts counting at 2 to 3 s,
// in whole seconds.
const uptimeSlack = 5 * time.Second

// plausible is for an agent that may not see other users' open files: it tells whether the id that the server told is
// that of a memcached in this process-id namespace, as old as the server says.
func plausible(pid int, uptimeSeconds int64) bool {
	if pid <= 0 {
		return false
	}
	b, err := readProc("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	if s := parseStatus(b); s.name != "memcached" || s.namespaces != 1 {
		return false
	}
	t, err := look(pid)
	if err != nil {
		return false
	}
	age, err := t.age()
	return err == nil && (age-time.Duration(uptimeSeconds)*time.Second).Abs() <= uptimeSlack
}
