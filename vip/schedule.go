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
