package main

import (
	"fmt"
	"time"

	"memvip/integration/bench/machine"
)

// record is everything that was measured, as it is kept.
type record struct {
	Machine   machine.Machine `json:"machine"`
	Build     string          `json:"agent"`
	Memcached string          `json:"memcached"`
	Slices    []slice         `json:"slices"`
}

// begin notes what is measured now, or says that what is there is of something else.
func (r *record) begin(m machine.Machine, build, memcached string) error {
	if len(r.Slices) > 0 && (r.Build != build || r.Memcached != memcached) {
		return fmt.Errorf("what was measured so far is of agent %s and memcached %s, and here are %s and %s: name another file by -data, or remove it",
			r.Build, r.Memcached, build, memcached)
	}
	r.Machine, r.Build, r.Memcached = m, build, memcached
	return nil
}

// seen is for how long each combination was looked at.
func (r record) seen() map[cell]time.Duration {
	seen := map[cell]time.Duration{}
	for _, s := range r.Slices {
		seen[s.cell] += time.Duration(s.Seconds * float64(time.Second))
	}
	return seen
}
