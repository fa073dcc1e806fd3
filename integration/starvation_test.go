//go:build integration

package integration

import (
	"context"
	"flag"
	"runtime"
	"testing"
	"time"

	"memvip/integration/lab"
)

// burn is how long the cores are kept busy. That nothing moves is promised for 10 minutes: -burn 10m.
var burn = flag.Duration("burn", time.Minute, "how long processes that want every core run beside the agents")

// While twice as many processes as there are cores take all the time they get, every VIP stays where it is: the agents
// run in the scheduling class of their unit. Where they may not, a lease may be lost, and even then by one host before
// another has it.
func TestEveryCoreIsBusy(t *testing.T) {
	c := startCluster(t, lab.Options{VIPTOML: soonHome})
	since := lab.Now()
	stop, err := c.Burn(2 * runtime.NumCPU())
	must(t, err)
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), *burn+patience)
	defer cancel()
	must(t, c.client.WaitFor(ctx, *burn))
	until := lab.Now()
	stop()

	moves := 0
	for _, v := range c.VIPs {
		moves += len(c.client.Turns(v.Addr, since, until)) - 1
		t.Logf("%v", lab.Measure(c.client, c.watcher, v.Addr, since, until))
	}
	t.Logf("%d moves in %v beside %d processes on %d cores, agents of their unit's class: %v", moves, *burn, 2*runtime.NumCPU(),
		runtime.NumCPU(), c.Realtime())
	if moves > 0 && c.Realtime() {
		t.Errorf("%d moves, want none", moves)
	}
}
