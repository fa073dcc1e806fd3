package main

import (
	"fmt"
	"strings"
)

// renderHeader says what ran on what, and how.
func renderHeader(r result) string {
	m, v := r.Machine, r.Versions
	user := "as root"
	if !m.Root {
		user = "not as root"
	}
	lines := []string{
		fmt.Sprintf("machine: %d cores (%s), %s, %s, %s", m.Cores, orUnknown(m.CPU), orUnknown(m.Memory), orUnknown(m.Kernel), user),
		"load average: " + loads(r),
		fmt.Sprintf("versions: memvip %s, memcached %s", orUnknown(v.Agent), orUnknown(v.Memcached)),
	}
	lines = append(lines, detectors(v)...)
	lines = append(lines, r.Settings...)
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(wrap(l, pageWidth, "  "))
	}
	return b.String()
}

// connectorWords is what an agent says of itself that has the process connector.
const connectorWords = "process connector"

// detectors says how memcached's death was noticed.
func detectors(v versions) []string {
	var lines []string
	switch v.Detector {
	case "":
	case connectorWords:
		lines = append(lines, "process connector: in force")
	default:
		lines = append(lines, fmt.Sprintf("process connector: NOT in force here, memcached's death is noticed by: %s", v.Detector))
	}
	if v.Fallback != "" {
		lines = append(lines, fmt.Sprintf("fallback-*: agents were denied the process connector and notice by: %s", v.Fallback))
	}
	return lines
}

// loads says how busy the machine was.
func loads(r result) string {
	low, high := r.Machine.Load, r.Machine.Load
	for _, s := range r.Samples {
		low, high = min(low, s.Load), max(high, s.Load)
	}
	return fmt.Sprintf("%.1f at the begin, %.1f to %.1f at the runs, %.1f at the end", r.Machine.Load, low, high, r.LoadAtEnd)
}

// describe says how the series was set up, one thing a line.
func describe(set settings) []string {
	return []string{
		"hosts: 3, fresh for every round of faults; one VIP each; one memcached instance per VIP on every host, so that no stand-in is tainted",
		fmt.Sprintf("agents: default configuration (lease 600 ms) but for failback_delay = %s (not 5 s), to save time", failbackDelay),
		fmt.Sprintf("runs of each fault: %d, in turns; a run begins when every VIP is at home and every other host proved clean for it", set.runs),
		fmt.Sprintf("clients: both at the same time; open loop: one operation each ms and VIP, given up after %s; "+
			"closed loop: one connection per VIP, time-outs %s", openTimeout, closedTimeout),
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// wrap breaks a line at spaces so that no part is longer than width, unless a word is. Further parts are indented.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			b.WriteString(line + "\n")
			line = indent + word
		default:
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}
