package vip

import "time"

const (
	// burstsEarly is how many announcements follow the first one closely. A neighbour that lost the
	// first, or a port that only starts to forward, hears one of them.
	burstsEarly = 5
	// burstPause is more than 1 s because receivers ignore changes to a neighbour entry that is younger
	// (Linux: locktime).
	burstPause = 1100 * time.Millisecond
	// refreshPause is below the 300 s after which switches commonly forget where a host is.
	refreshPause = 60 * time.Second
)

// Schedule returns how long to wait before announcement n of an address that is held, counted from the
// announcement before it: the first goes out at once, five more 1.1 s apart, the rest every 60 s.
func Schedule(n int) time.Duration {
	switch {
	case n <= 0:
		return 0
	case n <= burstsEarly:
		return burstPause
	default:
		return refreshPause
	}
}

const (
	// recallFirst lets the announcement get there first. A client whose answer still goes to the former holder gives it in
	// vain, and gives no other for a while; see recallLast.
	recallFirst = 5 * time.Millisecond
	// recallAgain makes good a first packet that was lost.
	recallAgain = 100 * time.Millisecond
	// recallLast is more than the 500 ms for which Linux answers a connection's packets without sense but once, so that
	// an answer that was lost is given again.
	recallLast = 550 * time.Millisecond
)

// RecallSchedule returns how long to wait before round n of a recall of former clients, counted from the round before
// it, the first from the address's announcement, and whether there is such a round: there are three.
func RecallSchedule(n int) (wait time.Duration, more bool) {
	switch n {
	case 0:
		return recallFirst, true
	case 1:
		return recallAgain, true
	case 2:
		return recallLast, true
	}
	return 0, false
}
