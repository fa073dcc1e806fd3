//go:build integration

package integration

import (
	"sync"
	"testing"
	"time"

	"memvip/integration/lab"
)

// A machine that stands still for longer than a lease ends every lease on it, and no test can tell that from an agent
// that does. So it is told beside whatever failed, for whoever looks for the cause.

const (
	// stallTick is how often it is looked whether the machine runs.
	stallTick = 20 * time.Millisecond
	// stallTold is the least that is told: what the shipped lease stands once over.
	stallTold = 150 * time.Millisecond
)

// stalls is when the machine stood still since the tests began.
var stalls struct {
	sync.Mutex
	list []lab.Stall
}

// watchStalls looks as long as the process lives.
func watchStalls() {
	last := lab.Now()
	for range time.Tick(stallTick) {
		now := lab.Now()
		if late := now.Sub(last) - stallTick; late >= stallTold {
			stalls.Lock()
			stalls.list = append(stalls.list, lab.Stall{At: now, Length: late})
			stalls.Unlock()
		}
		last = now
	}
}

// tellStalls tells at the end of a test that failed when the machine stood still meanwhile.
func tellStalls(t *testing.T) {
	t.Helper()
	since := lab.Now()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		stalls.Lock()
		defer stalls.Unlock()
		stood := false
		for _, s := range stalls.list {
			if s.At > since {
				stood = true
				t.Logf("%s: this process had not run for %v", s.At, s.Length)
			}
		}
		if !stood {
			t.Logf("this process never stood still for %v in this test", stallTold)
		}
	})
}
