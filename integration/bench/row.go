package main

import "slices"

// row sums up the runs of one fault for one contender. Times count only runs in which the VIP was served again.
type row struct {
	Contender, Fault string
	Runs             int

	Outage, Closed, Patient                   summary // of the three clients
	FirstARP, Moved                           summary
	Failed, ClosedFailed, PatientFailed       summary // counts
	TwoHosts, Doubled, HomeGap, Stall, Settle summary
	Stale                                     int // in all runs
	Lost                                      int // runs after which the VIP was not served again, or not at home
}

// rows sums up, in the order of faults and contenders.
func (r results) rows() []row {
	var rows []row
	for _, f := range faults {
		for _, c := range contenders {
			if some := r.of(c.name, f.name); len(some) > 0 {
				rows = append(rows, sumUp(c.name, f.name, some))
			}
		}
	}
	return rows
}

func (r results) of(contender, fault string) []sample {
	var some []sample
	for _, s := range r.Runs {
		if s.Contender == contender && s.Fault == fault {
			some = append(some, s)
		}
	}
	return some
}

// rowOf finds a row.
func rowOf(rows []row, contender, fault string) (row, bool) {
	i := slices.IndexFunc(rows, func(r row) bool { return r.Contender == contender && r.Fault == fault })
	if i < 0 {
		return row{}, false
	}
	return rows[i], true
}

func sumUp(contender, fault string, samples []sample) row {
	r := row{Contender: contender, Fault: fault, Runs: len(samples)}
	served := slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !s.served() })
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
	r.Closed = column(served, func(s sample) millis { return s.Closed.Outage })
	r.Patient = column(served, func(s sample) millis { return s.Patient.Outage })
	r.FirstARP = known(func(s sample) *millis { return s.FirstARP })
	r.Moved = known(func(s sample) *millis { return s.Open.Moved })
	r.Failed = column(samples, func(s sample) millis { return millis(s.Open.Failed) })
	r.ClosedFailed = column(samples, func(s sample) millis { return millis(s.Closed.Failed) })
	r.PatientFailed = column(samples, func(s sample) millis { return millis(s.Patient.Failed) })
	r.TwoHosts = column(samples, func(s sample) millis { return s.twoHosts() })
	r.Doubled = column(samples, func(s sample) millis { return s.Doubled })
	r.HomeGap = known(func(s sample) *millis { return s.Open.Home })
	r.Stall = column(samples, func(s sample) millis { return s.Open.Stall })
	r.Settle = column(served, func(s sample) millis { return s.Settled })
	for _, s := range samples {
		r.Stale += s.Stale
		if slices.ContainsFunc(s.Problems, func(p problem) bool { return p.Kind == problemUnserved }) {
			r.Lost++
		}
	}
	return r
}

// found is a problem and the run that it was found in.
type found struct {
	step string
	problem
}

// problems are those of memvip: keepalived promises none of what they are about, and its figures tell them.
func (r results) problems() []found {
	var all []found
	for _, s := range r.Runs {
		for _, p := range s.Problems {
			if oursNamed(s.Contender) {
				all = append(all, found{s.stepName(), p})
			}
		}
	}
	return all
}

// broken are the problems that decide the exit code.
func (r results) broken() []found {
	return slices.DeleteFunc(r.problems(), func(f found) bool { return !f.breaks() })
}
