package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what everything ran on.
type machine struct {
	Cores  int     `json:"cores"`
	CPU    string  `json:"cpu"`
	Memory string  `json:"memory"`
	Kernel string  `json:"kernel"`
	Load   float64 `json:"load_average_at_begin"`
	Root   bool    `json:"root"` // of the machine, not only of a user namespace
}

// versions are what ran, and how the agents noticed a death.
type versions struct {
	Agent     string `json:"agent"`
	Memcached string `json:"memcached"`
	Detector  string `json:"detector"`          // of most runs; "" if there were none
	Fallback  string `json:"fallback_detector"` // of the agents that were denied the process connector; "" if none were
}

// note takes the versions from a site that is up.
func (v *versions) note(k kind, s *site) {
	v.Agent, v.Memcached = s.build, s.memcached
	switch k {
	case withConnector:
		v.Detector = s.detector
	case withoutConnector:
		v.Fallback = s.detector
	}
}

// lookAround describes the machine. What cannot be read stays empty.
func lookAround() machine {
	m := machine{Cores: runtime.NumCPU(), Load: loadAverage()}
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

// loadAverage is that of the last minute, or 0 if the kernel does not tell.
func loadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	return firstFloat(string(b))
}

func firstFloat(s string) float64 {
	first, _, _ := strings.Cut(s, " ")
	f, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return f
}
