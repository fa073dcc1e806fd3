package main

import (
	"fmt"
	"slices"
	"time"
)

// cell is one combination that is looked at.
type cell struct {
	Lease  int    `json:"lease_ms"`
	Class  class  `json:"class"`
	Stress string `json:"stress"`
}

// visit is a time with one set of fresh hosts for each of some leases.
type visit struct {
	leases []time.Duration
	class  class
	gc     bool // of the stresses: it is in the agents' environment
	turns  []stress
}

// round plans the next turn of every combination that was not looked at for long enough, given for how long each
// was. Every lab has its turn, and each time another begins; within a lab the stresses take turns likewise.
func round(set settings, seen map[cell]time.Duration, n int) []visit {
	var visits []visit
	for _, c := range set.classes {
		for _, gc := range []bool{false, true} {
			together := set.together
			if gc {
				together = 1
			}
			for leases := range slices.Chunk(set.leases, together) {
				v := visit{leases: leases, class: c, gc: gc}
				for _, s := range set.stresses {
					if s.gc == gc && v.wants(s, seen, set.time) {
						v.turns = append(v.turns, s)
					}
				}
				if len(v.turns) > 0 {
					v.turns = turned(v.turns, n)
					visits = append(visits, v)
				}
			}
		}
	}
	return turned(visits, n)
}

// wants reports whether a stress was not looked at for long enough with one of the visit's leases.
func (v visit) wants(s stress, seen map[cell]time.Duration, enough time.Duration) bool {
	return slices.ContainsFunc(v.leases, func(lease time.Duration) bool { return seen[cellOf(lease, v.class, s)] < enough })
}

func (v visit) String() string { return fmt.Sprintf("lease %v, class %s", v.leases, v.class) }

func cellOf(lease time.Duration, c class, s stress) cell {
	return cell{int(lease.Milliseconds()), c, s.name}
}

// turned begins a list with its n-th member.
func turned[T any](list []T, n int) []T {
	if len(list) == 0 {
		return list
	}
	n %= len(list)
	return slices.Concat(list[n:], list[:n])
}
