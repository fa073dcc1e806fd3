package sim

import (
	"io"
	"runtime/debug"
	"testing"
	"time"
)

// BenchmarkCluster measures how much simulated time a core gets through: five nodes that all vote, five
// VIPs, clients, the garbage collector as make soak sets it. The figure to watch is simulated seconds a second.
func BenchmarkCluster(b *testing.B) {
	p := Plan{Seed: 1, Shape: Shape{
		Nodes: 5, Voters: 5, VIPs: 5, Shared: true, Restart: true, Lease: 600 * time.Millisecond,
		Net: Net{Delay: 100 * time.Microsecond, Jitter: 50 * time.Microsecond},
	}}
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	var simulated time.Duration
	var steps int
	for b.Loop() {
		seen, broken := Run(p, io.Writer(nil))
		if broken != nil {
			b.Fatal(broken)
		}
		simulated += seen.Time
		steps += seen.Steps
	}
	b.ReportMetric(simulated.Seconds()/b.Elapsed().Seconds(), "simulated-s/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
}
