//go:build integration

package integration

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os/exec"
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

	moves, longest := 0, time.Duration(0)
	for _, v := range c.VIPs {
		moves += len(c.client.Turns(v.Addr, since, until)) - 1
		r := lab.Measure(c.client, c.watcher, v.Addr, since, until)
		longest = max(longest, r.Gap-r.Stalled)
		t.Logf("%v", r)
	}
	t.Logf("%d moves in %v beside %d processes on %d cores, agents of their unit's class: %v", moves, *burn, 2*runtime.NumCPU(),
		runtime.NumCPU(), c.Realtime())
	if moves > 0 && c.Realtime() {
		t.Errorf("%d moves, want none", moves)
	}
	if lease := c.configured(t).Cluster.Lease; longest > lease/2 && c.Realtime() {
		t.Errorf("%v without an answer, though nothing moved and the lease is %v", longest, lease)
	}
}

// How many pairs of interfaces go at once. Beside busy processes of a better class the fewest take longer than a lease, mostly.
const crowdMin, crowdMax = 1000, 4000

// While the kernel removes somebody's interfaces it changes no address on the whole machine, nor starts the lifetime of one
// anew. A VIP whose lease goes on is served all the same.
func TestInterfacesTakeLongToGo(t *testing.T) {
	c := startCluster(t, lab.Options{VIPTOML: soonHome})
	c.judge(t)
	lease := c.configured(t).Cluster.Lease
	var busy time.Duration
	for crowd := crowdMin; busy < 2*lease; crowd *= 2 {
		if crowd > crowdMax {
			t.Fatalf("the kernel was busy for %v, want twice the lease of %v, or this shows nothing", busy, lease)
		}
		busy = c.removesInterfaces(t, crowd)
	}
}

// removesInterfaces returns how long the kernel was busy with a crowd of interfaces. Meanwhile every VIP is served.
func (c *cluster) removesInterfaces(t *testing.T, crowd int) time.Duration {
	t.Helper()
	remove := crowdedInterfaces(t, crowd)
	stop, err := c.Burn(2 * runtime.NumCPU())
	must(t, err)
	defer stop()
	since := lab.Now()
	busy := remove()
	must(t, c.client.WaitFor(within(t), time.Second))
	until := lab.Now()
	stop()
	for _, v := range c.VIPs {
		r := lab.Measure(c.client, c.watcher, v.Addr, since, until)
		t.Logf("the kernel was busy with %d interfaces for %v: %v", 2*crowd, busy, r)
		if r.Gap-r.Stalled > c.configured(t).Cluster.Lease/2 {
			t.Errorf("%s: %v without an answer", v.Addr, r.Gap)
		}
	}
	return busy
}

// crowdedInterfaces makes a crowd of pairs of interfaces in a network namespace of their own. They go when remove is called,
// which returns how long that took.
func crowdedInterfaces(t *testing.T, crowd int) (remove func() time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	const group = 7
	cmd := exec.CommandContext(ctx, "unshare", "--net", "sh", "-ec", fmt.Sprintf(
		`seq %d | sed 's/.*/link add a& group %d type veth peer name b&/' | ip -batch -; echo ready; read go; chrt --idle 0 ip link delete group %d; echo gone`, crowd, group, group))
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	says := func(word string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != word {
			t.Fatalf("it says %q, %v, want %q", lines.Text(), lines.Err(), word)
		}
	}
	says("ready")
	return func() time.Duration {
		t.Helper()
		begun := time.Now()
		_, err := fmt.Fprintln(in, "go")
		must(t, err)
		says("gone")
		return time.Since(begun)
	}
}
