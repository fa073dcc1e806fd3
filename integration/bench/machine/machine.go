// Package machine tells what a benchmark ran on, so that its figures can be judged. It decides nothing, and what it
// cannot find out it leaves empty.
package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is what a benchmark ran on.
type Machine struct {
	Cores  int     `json:"cores"`
	CPU    string  `json:"cpu"`
	Memory string  `json:"memory"`
	Kernel string  `json:"kernel"`
	Root   bool    `json:"root"`         // its root measured, not that of a user namespace only
	Load   float64 `json:"load_average"` // of the last minute
}

// Look describes this machine now.
func Look() Machine {
	m := Machine{Cores: runtime.NumCPU(), Load: Load()}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		m.Memory = fmt.Sprintf("%.0f GiB", float64(info.Totalram)*float64(info.Unit)/(1<<30))
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = modelName(string(b))
	}
	if b, err := os.ReadFile("/proc/self/uid_map"); err == nil {
		m.Root = os.Geteuid() == 0 && allUsers(string(b))
	}
	return m
}

// String is the machine in a line, but for its load, which changes.
func (m Machine) String() string {
	const unknown = "unknown"
	user := "as root"
	if !m.Root {
		user = "not as root"
	}
	return fmt.Sprintf("%d cores (%s), %s, %s, %s", m.Cores, cmp.Or(m.CPU, unknown), cmp.Or(m.Memory, unknown), cmp.Or(m.Kernel, unknown), user)
}

// allUsers reports whether a uid_map is that of the machine itself: one line, in which everybody is himself.
func allUsers(uidMap string) bool {
	return slices.Equal(strings.Fields(uidMap), []string{"0", "0", "4294967295"})
}

// modelName finds the first processor's name in /proc/cpuinfo, or "".
func modelName(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Load is the load average of the last minute, or 0 if the kernel does not tell.
func Load() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), " ")
	f, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return f
}

// Version is the last word of what a program says when it is asked for its version.
func Version(ctx context.Context, argv ...string) (string, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) == 0 {
		return "", fmt.Errorf("%s: %w", strings.Join(argv, " "), errors.Join(err, errNoVersion))
	}
	return words[len(words)-1], nil
}

var errNoVersion = errors.New("it does not tell its version")
