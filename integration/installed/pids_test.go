//go:build package

package installed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// hostsMax is how many hosts have process ids of their own.
const hostsMax = 3

// pidRange keeps the process ids of the hosts apart, since memcached names itself to clients by its own: those of host i, counted
// from 1, begin at i times this.
var pidRange = sync.OnceValues(func() (int, error) {
	text, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		return 0, err
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return most / (hostsMax + 1), err
})

// hostOf names the host of a memcached by the process id that it knows itself by.
func hostOf(pid int) string {
	each, err := pidRange()
	if err != nil || pid < each {
		return ""
	}
	return fmt.Sprintf("cache%d", pid/each)
}

// countProcesses has the machine's process ids go on where those of its host begin.
func (m *machine) countProcesses(ctx context.Context) error {
	each, err := pidRange()
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	set := fmt.Sprintf("echo %d >/proc/sys/kernel/ns_last_pid", m.number*each)
	out, err := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(m.init), "--pid", "sh", "-c", set).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: set the next process id: %w: %s", m.Name, err, out)
	}
	return nil
}
