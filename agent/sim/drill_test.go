package sim

import (
	"fmt"
	"strings"
	"testing"

	"memvip/agent/core"
)

// TestOutages strikes each kind of fault in many clusters, and compares the longest outage with what the
// design promises. -v prints the table that ARCHITECTURE.md shows.
func TestOutages(t *testing.T) {
	var table strings.Builder
	table.WriteString("| fault | promised | worst seen | of the lease | of the bound | gap going home |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, d := range Drills {
		var worst, home, leases, bounds float64
		for seed := range uint64(drillSeeds) {
			o := d.Run(seed, nil)
			bound := d.Bound(o.Shape)
			if o.Renewing && bound > 0 {
				bound += core.Heartbeat(o.Shape.Lease)
			}
			if o.Broken != nil || o.Struck < 0 || o.Home < 0 || o.Struck > bound || o.Home > o.Shape.move()+mostCheck {
				t.Errorf("%s, seed %d (%s): outage %s, promised %s; going home %s, promised %s; broken: %v",
					d.Name, seed, o.Shape, o.Struck, bound, o.Home, o.Shape.move()+mostCheck, o.Broken)
				continue
			}
			if o.Renewing {
				continue // up to a heartbeat more, and not what the table is of
			}
			worst, home = max(worst, o.Struck.Seconds()), max(home, o.Home.Seconds())
			leases = max(leases, o.Struck.Seconds()/o.Shape.Lease.Seconds())
			if bound > 0 {
				bounds = max(bounds, o.Struck.Seconds()/bound.Seconds())
			}
		}
		fmt.Fprintf(&table, "| %s | %s | %.1f ms | %.3f | %.0f %% | %.1f ms |\n", d.Name, d.Promise, worst*1000, leases, bounds*100, home*1000)
	}
	t.Logf("%d clusters each\n%s", drillSeeds, table.String())
}
