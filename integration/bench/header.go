package main

import (
	"fmt"
	"strings"
)

// rig says what all runs have in common, one thing a line.
func rig() []string {
	return []string{
		"3 hosts as network namespaces on one switch, fresh for every round of faults; one VIP for each, and one memcached instance per VIP on every host",
		"a run begins when every VIP is at home, no other host answers ARP for it, and no client missed an answer for " + calm.String() +
			"; with memvip also when every other host is proved clean for the VIP that is about to be struck",
		fmt.Sprintf("clients, all at the same time, one operation each ms and VIP: an open loop, whatever is unanswered, which gives up after %s; "+
			"a closed loop, one connection per VIP, time-outs %s; a patient closed loop, time-outs %s", openTimeout, closedTimeout, patientTimeout),
	}
}

// renderHeader says what ran on what, and how.
func renderHeader(r results) string {
	v := r.Versions
	lines := []string{"machine: " + r.Machine.String(), "load average: " + loads(r)}
	versions := fmt.Sprintf("versions: memvip %s, memcached %s", orUnknown(v.Agent), orUnknown(v.Memcached))
	if v.Keepalived != "" {
		versions += ", keepalived " + v.Keepalived
	}
	lines = append(lines, versions)
	lines = append(lines, detectors(v)...)
	lines = append(lines, r.Rig...)
	for _, c := range contenders {
		if text := r.Contenders[c.name]; text != "" {
			lines = append(lines, c.name+": "+text)
		}
	}
	return bullets(lines)
}

// connectorWords is what an agent says of itself that has the process connector.
const connectorWords = "process connector"

// detectors says how memcached's death was noticed, and in which class the agents ran.
func detectors(v versions) []string {
	var lines []string
	switch v.Detector {
	case "":
		return nil
	case connectorWords:
		lines = append(lines, "process connector: in force")
	default:
		lines = append(lines, fmt.Sprintf("process connector: NOT in force here, memcached's death is noticed by: %s", v.Detector))
	}
	if !v.Realtime {
		lines = append(lines, "scheduling: agents were NOT in the real-time class of their unit, which is not allowed here")
	}
	if v.Fallback != "" {
		lines = append(lines, fmt.Sprintf("fallback-*: agents were denied the process connector and notice by: %s", v.Fallback))
	}
	return lines
}

// loads says how busy the machine was.
func loads(r results) string {
	low, high := r.Machine.Load, r.Machine.Load
	note := func(load float64) { low, high = min(low, load), max(high, load) }
	for _, s := range r.Runs {
		note(s.Load)
	}
	for _, c := range r.Steady {
		note(c.Load)
	}
	return fmt.Sprintf("%.1f at the begin, %.1f to %.1f later, this included", r.Machine.Load, low, high)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// pageWidth is that of prose. Tables are as wide as they are.
const pageWidth = 110

// bullets is a list, a line each as far as it fits.
func bullets(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(wrap("- "+l, pageWidth, "  "))
	}
	return b.String()
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
