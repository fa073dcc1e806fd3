package main

import (
	"fmt"
	"math"
	"time"
)

// millis is a duration in milliseconds, as it is printed and written.
type millis float64

// inMillis keeps microseconds.
func inMillis(d time.Duration) millis {
	return millis(math.Round(float64(d)/float64(time.Microsecond)) / 1000)
}

// sample is what one run of one fault showed.
type sample struct {
	Contender string `json:"contender"`

	Fault string    `json:"fault"`
	Run   int       `json:"run"`
	VIP   string    `json:"vip"`
	From  string    `json:"from"` // who served it before
	To    string    `json:"to"`   // who served it then; "" if nobody did
	Begun time.Time `json:"begun"`
	Load  float64   `json:"load_average"` // of the last minute, when the fault struck

	FirstARP *millis `json:"first_arp_ms"`     // to the first gratuitous ARP of another host; null if there was none
	Doubled  millis  `json:"two_hosts_arp_ms"` // two hosts answered ARP for the VIP, until it was home again
	Stale    int     `json:"stale_reads"`      // of all clients, through every VIP, until it was home again
	Settled  millis  `json:"settled_ms"`       // from the end of the fault until every VIP was at home, and all calm

	Open   view `json:"open_loop"`
	Closed view `json:"closed_loop"`
	// Patient is a closed loop with long time-outs: how soon clients with open connections get on.
	Patient view `json:"patient_loop"`

	Problems []problem `json:"problems"`
}

// view is one client's part of a sample.
type view struct {
	Outage   millis  `json:"outage_ms"`        // last success to first success
	Begins   millis  `json:"outage_begins_ms"` // after the fault; far from 0, it is not the move's
	Moved    *millis `json:"moved_ms"`         // to the first answer of another host; null if there was none
	Failed   int     `json:"failed"`           // attempts begun before the fault was healed
	TwoHosts millis  `json:"two_hosts_ms"`     // two hosts answered in turns, until it was home again
	Home     *millis `json:"home_gap_ms"`      // from the stand-in's last answer to the home's first; null in a hand-back
	Stall    millis  `json:"stall_ms"`         // longest time that the machine held the client up during the fault

	FailedAs map[string]int `json:"failed_as"` // the failed attempts by how they failed
}

// problem is something that should not have happened.
type problem struct {
	Kind problemKind `json:"kind"`
	Text string      `json:"text"`
}

type problemKind string

const (
	problemStale    problemKind = "stale"    // the first promise
	problemDouble   problemKind = "double"   // two hosts answered for one VIP
	problemUnserved problemKind = "unserved" // a VIP was not served again, or did not come home
	problemMoved    problemKind = "moved"    // a VIP moved that nothing had happened to: noted only
)

// breaks reports whether the problem decides the exit code.
func (p problem) breaks() bool { return p.Kind != problemMoved }

// add notes a problem.
func (s *sample) add(k problemKind, text string) {
	s.Problems = append(s.Problems, problem{Kind: k, Text: text})
}

// served reports whether the run's times mean anything.
func (s *sample) served() bool { return s.To != "" }

// broken are the problems that decide.
func (s *sample) broken() []problem {
	var some []problem
	for _, p := range s.Problems {
		if p.breaks() {
			some = append(some, p)
		}
	}
	return some
}

// puzzling reports whether a reader will want the logs.
func (s *sample) puzzling() bool { return len(s.Problems) > 0 }

// stepName is how a run is named in progress lines and lists of problems.
func (s *sample) stepName() string { return fmt.Sprintf("%s: %s run %d", s.Contender, s.Fault, s.Run) }

// twoHosts is for how long a client saw two hosts answer in turns, the longest of all clients.
func (s *sample) twoHosts() millis {
	return max(s.Open.TwoHosts, s.Closed.TwoHosts, s.Patient.TwoHosts)
}
