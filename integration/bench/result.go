package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// result is everything that a series found, as it is written to -json.
type result struct {
	Machine   machine  `json:"machine"`
	Versions  versions `json:"versions"`
	Settings  []string `json:"settings"`
	Planned   int      `json:"runs_planned"`
	LoadAtEnd float64  `json:"load_average_at_end"`
	Rows      []row    `json:"faults"` // filled when written
	Samples   []sample `json:"runs"`

	faults []fault
	set    settings
}

// row sums up the runs of one fault. Times count only runs in which the VIP was served again.
type row struct {
	Fault string `json:"fault"`
	What  string `json:"what"`
	Runs  int    `json:"runs"`

	Outage       summary `json:"outage_ms"`
	FirstARP     summary `json:"first_arp_ms"`
	Moved        summary `json:"moved_ms"`
	ClosedOutage summary `json:"closed_loop_outage_ms"`

	Failed       summary `json:"failed"`
	ClosedFailed summary `json:"closed_loop_failed"`
	TwoHosts     summary `json:"two_hosts_ms"`     // seen by a client, the larger of both
	Doubled      summary `json:"two_hosts_arp_ms"` // seen by ARP
	HomeGap      summary `json:"home_gap_ms"`
	Stall        summary `json:"stall_ms"`
	Stale        int     `json:"stale_reads"`
	Unserved     int     `json:"runs_not_served_again"`
}

// rows sums up, in the order of the faults.
func (r result) rows() []row {
	var rows []row
	for _, f := range r.faults {
		if some := r.of(f.name); len(some) > 0 {
			rows = append(rows, sumUp(f.name, f.title(r.set), some))
		}
	}
	return rows
}

func (r result) of(name string) []sample {
	var some []sample
	for _, s := range r.Samples {
		if s.Fault == name {
			some = append(some, s)
		}
	}
	return some
}

func sumUp(name, what string, samples []sample) row {
	r := row{Fault: name, What: what, Runs: len(samples)}
	served := slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !s.served() })
	r.Unserved = len(samples) - len(served)
	column := func(of []sample, value func(sample) millis) summary {
		var values []millis
		for _, s := range of {
			values = append(values, value(s))
		}
		return summarize(values)
	}
	known := func(value func(sample) *millis) summary {
		var values []millis
		for _, s := range served {
			if v := value(s); v != nil {
				values = append(values, *v)
			}
		}
		return summarize(values)
	}
	r.Outage = column(served, func(s sample) millis { return s.Open.Outage })
	r.FirstARP = known(func(s sample) *millis { return s.FirstARP })
	r.Moved = known(func(s sample) *millis { return s.Open.Moved })
	r.ClosedOutage = column(served, func(s sample) millis { return s.Closed.Outage })
	r.Failed = column(samples, func(s sample) millis { return millis(s.Open.Failed) })
	r.ClosedFailed = column(samples, func(s sample) millis { return millis(s.Closed.Failed) })
	r.TwoHosts = column(samples, func(s sample) millis { return max(s.Open.TwoHosts, s.Closed.TwoHosts) })
	r.Doubled = column(samples, func(s sample) millis { return s.Doubled })
	r.HomeGap = known(func(s sample) *millis { return s.Open.Home })
	r.Stall = column(samples, func(s sample) millis { return s.Open.Stall })
	for _, s := range samples {
		r.Stale += s.Stale
	}
	return r
}

// found is a problem and the run that it was found in.
type found struct {
	step string
	problem
}

func (r result) problems() []found {
	var all []found
	for _, s := range r.Samples {
		for _, p := range s.Problems {
			all = append(all, found{s.stepName(), p})
		}
	}
	return all
}

// broken are the problems that decide the exit code.
func (r result) broken() []found {
	return slices.DeleteFunc(r.problems(), func(f found) bool { return !f.breaks() })
}

func writeJSON(path string, r result) error {
	r.Rows = r.rows()
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
