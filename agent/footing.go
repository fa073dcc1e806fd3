package agent

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// A lease has to be renewed every 150 ms on a host whose cores and memory others want, too. What a process can do
// for that itself is done here; its scheduling class it has from its unit.

const (
	// nodesForOne is the largest cluster whose agents run on one core at a time. All that an agent does is a few
	// microseconds here and there, each handed from one goroutine to the next; with two cores each hand-over wakes a thread
	// on the other, which costs more than it finds to do there, and takeovers are not faster by it. A call that waits in
	// the kernel gives the core away, but for the start of a program, which keeps it until the child has become that: a
	// child first becomes what is in memory (see command.Become). Beyond, a voter hears thousands of packets a second.
	nodesForOne = 64
	// coresMax is how many cores the agent runs on at once at most: more would not make it faster, and in a real-time
	// class it is not to keep a host from its other work, whatever goes wrong in it.
	coresMax = 4
)

// coresGranted is how many cores this process may use, as the runtime found it.
var coresGranted = runtime.GOMAXPROCS(0)

// coresFor is how many cores at once an agent runs on in a cluster of so many nodes.
func coresFor(nodes int) int {
	if nodes <= nodesForOne {
		return 1
	}
	return min(coresMax, coresGranted)
}

// footing is how this process stands, for the log.
func (a *agent) footing() logrus.Fields {
	fields := logrus.Fields{fieldScheduling: scheduling()}
	if kind, slow := diskOf(a.options.RuntimeDir); slow {
		a.diary.trouble(logrus.Fields{fieldDir: a.options.RuntimeDir, fieldDetail: kind}, "runtime directory is not in memory: takeovers wait for its disk", nil)
	}
	return fields
}

// brace readies a process that is the agent's own. It runs beside the loop: the program may have to be read from a
// disk that is busy, and a lease does not wait.
func (a *agent) brace() {
	if a.options.Program == nil {
		return
	}
	runtime.GOMAXPROCS(coresFor(len(a.config.AllNodes())))
	if err := lockMemory(); err != nil {
		a.diary.trouble(logrus.Fields{}, "memory not locked: a host short of it may stop the agent for a while", err)
		return
	}
	a.diary.change(nil, "memory locked")
}

// lockMemory keeps what this process uses from being paged out: what it touches from now on, and of its program also
// what it has not run yet, which a takeover may need when the disk is busiest. To lock all that is mapped would fetch
// some 40 MiB of the runtime's tables that are never used.
func lockMemory() error {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("lock program: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		var access string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &access); err != nil || access != "r-xp" || strings.Contains(line, "[v") { // what the kernel maps is no memory
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MLOCK, from, to-from, 0); errno != 0 {
			return fmt.Errorf("lock program: %w", errno)
		}
	}
	return nil
}

// scheduling names the calling thread's scheduling class and its priority therein, as chrt does.
func scheduling() string {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return err.Error()
	}
	switch attr.Policy {
	case unix.SCHED_NORMAL, unix.SCHED_BATCH:
		return fmt.Sprintf("normal, nice %d", attr.Nice)
	case unix.SCHED_FIFO:
		return fmt.Sprintf("fifo, priority %d", attr.Priority)
	case unix.SCHED_RR:
		return fmt.Sprintf("rr, priority %d", attr.Priority)
	}
	return fmt.Sprintf("class %d", attr.Policy)
}

// diskOf says what a directory's file system is, in the kernel's number, if it is none that lies in memory.
func diskOf(dir string) (kind string, slow bool) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC {
		return "", false
	}
	return fmt.Sprintf("file system type %#x", fs.Type), true
}
