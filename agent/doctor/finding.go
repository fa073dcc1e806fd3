package doctor

import (
	"cmp"
	"slices"
)

// Schema is the version of Finding.
const Schema = 1

// Severity says how bad a finding is. The set is closed.
type Severity string

// The severities, the worst last.
const (
	OK      Severity = "ok"
	Warning Severity = "warning" // it works, but less safely or more slowly than it could
	Unknown Severity = "unknown" // it could not be looked at; What says why
	Failure Severity = "failure" // it is broken now, or will be when an address has to move
)

// ExitCode is what a program ends with whose worst finding has this severity.
func (s Severity) ExitCode() int {
	switch s {
	case OK:
		return 0
	case Warning:
		return 1
	case Failure:
		return 2
	case Unknown:
	}
	return 3
}

// rank orders severities, the worst first.
func (s Severity) rank() int {
	switch s {
	case Failure:
		return 0
	case Unknown:
		return 1
	case Warning:
		return 2
	case OK:
		return 3
	}
	return 1 // said by a newer version: not known here
}

// Finding is what one check found out about one subject.
type Finding struct {
	Check    Check    `json:"check"`
	Severity Severity `json:"severity"`
	Node     string   `json:"node"`    // where it was seen
	Subject  string   `json:"subject"` // what it is about: a VIP, an instance, a file, an interface, a node
	What     string   `json:"what"`    // a sentence that stands alone on its node
	Why      string   `json:"why"`     // what comes of it; "" if all is fine
	Mend     string   `json:"mend"`    // a command, or what to do where no command does it; "" if all is fine
}

// Worst returns the worst severity, OK if there are no findings.
func Worst(findings []Finding) Severity {
	worst := OK
	for _, f := range findings {
		if f.Severity.rank() < worst.rank() {
			worst = f.Severity
		}
	}
	return worst
}

// sorted returns the findings with the worst first, otherwise in their order.
func sorted(findings []Finding) []Finding {
	return slices.SortedStableFunc(slices.Values(findings), func(a, b Finding) int {
		return cmp.Compare(a.Severity.rank(), b.Severity.rank())
	})
}

// seenBy says where findings were seen.
func seenBy(node string, findings []Finding) []Finding {
	for i := range findings {
		findings[i].Node = node
	}
	return findings
}
