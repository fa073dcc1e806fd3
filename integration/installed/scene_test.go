//go:build package

package installed

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"memvip/integration/lab"
)

// row is what one scene cost the clients.
type row struct {
	scene   string
	planned bool          // nothing failed: what is moved was given
	outage  time.Duration // the longest time without an answer, of all VIPs
	moves   int           // how often another host than before answered for a VIP
	flushes int           // flush_all that the memcacheds counted, without those of processes that ended within the scene
	stale   int
	doubled time.Duration // how long two hosts answered ARP for a VIP
	held    time.Duration // the longest that the client itself was held up by this machine: part of an outage may be that
}

// moment is where things stood when a scene began.
type moment struct {
	at      lab.Instant
	holders map[netip.Addr]string
	flushes []flushCount
}

func (c *cluster) now(t *testing.T) moment {
	t.Helper()
	now := moment{holders: map[netip.Addr]string{}, flushes: c.flushes(t)}
	for _, v := range c.VIPs {
		now.holders[v.Addr], _, _ = c.client.Last(v.Addr) // "" if nobody ever answered
	}
	now.at = lab.Now()
	return now
}

// kind is what a scene may cost.
type kind uint8

const (
	fault   kind = iota // whatever a failover costs
	handing             // a move that was asked for
	still               // no move, and no cache emptied
)

// compare holds every scene that is planned to less than what a host's death costs in the same run, but for the time that the
// machine held the client itself up: what is given away or kept does not wait for a lease to end.
func (c *cluster) compare(t *testing.T) {
	i := slices.IndexFunc(c.rows, func(r row) bool { return r.scene == powerCut })
	if i < 0 {
		t.Fatal("the power cut was not measured")
	}
	for _, r := range c.rows {
		if r.planned && r.outage-r.held >= c.rows[i].outage {
			t.Errorf("%s: %v without an answer, and a %s costs %v", r.scene, r.outage, powerCut, c.rows[i].outage)
		}
	}
}

// scene does something to a cluster in which all is well, and judges what the clients saw until all is well again. Where nothing
// may change hands, no epoch may change either.
func (c *cluster) scene(t *testing.T, name string, k kind, act func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Cleanup(func() {
			if t.Failed() {
				c.tell(t)
			}
		})
		before, began := c.well(t), c.now(t)
		act(t)
		after := c.well(t)
		r := c.judge(t, name, k, began)
		if k != still {
			return
		}
		if r.moves != 0 || r.flushes != 0 {
			t.Errorf("%d moves and %d flushes, none is wanted", r.moves, r.flushes)
		}
		for i, v := range after.VIPs {
			if was := before.VIPs[i].Epoch; v.Epoch != was {
				t.Errorf("%s: epoch %d, was %d", v.Address, v.Epoch, was)
			}
		}
	})
}

// judge measures a scene from its beginning to now, and holds it to the promises.
func (c *cluster) judge(t *testing.T, name string, k kind, began moment) row {
	t.Helper()
	since, until := began.at, lab.Now()
	r := row{scene: name, planned: k != fault, stale: len(c.client.Stale(since, until))}
	for _, v := range c.VIPs {
		r.outage = max(r.outage, c.client.Outage(v.Addr, since, until).Gap)
		r.doubled += c.watcher.Doubled(v.Addr, since, until)
		holder := began.holders[v.Addr]
		for _, turn := range c.client.Turns(v.Addr, since, until) {
			if holder != "" && turn.Host != holder {
				r.moves++
			}
			holder = turn.Host
		}
	}
	for i, n := range c.flushes(t) {
		r.flushes += n.since(began.flushes[i])
	}
	for _, s := range c.client.Stalls(since, until) {
		r.held = max(r.held, s.Length)
	}
	if r.stale > 0 {
		t.Errorf("%d stale reads, first: %v", r.stale, c.client.Stale(since, until)[0])
	}
	if r.doubled > 0 {
		t.Errorf("two hosts answered ARP for %v", r.doubled)
	}
	seconds := int(until.Sub(since).Seconds()) + 1
	t.Logf("%s", on(t, c.machines[1], fmt.Sprintf("agentctl history --since %ds", seconds)))
	c.rows = append(c.rows, r)
	fmt.Printf("%s: %.1f ms, %d moves, %d flushes\n", r.scene, ms(r.outage), r.moves, r.flushes)
	return r
}

// flushCount is how many flush_all one memcached process counted.
type flushCount struct{ pid, flushes int }

// since is how many came since an earlier count. A new process has counted from 0.
func (n flushCount) since(earlier flushCount) int {
	if n.pid != earlier.pid {
		return n.flushes
	}
	return n.flushes - earlier.flushes
}

// flushes asks every machine's memcached how often it was told to forget everything; of one that does not run there is nothing.
func (c *cluster) flushes(t *testing.T) []flushCount {
	t.Helper()
	counts := make([]flushCount, len(c.machines))
	for i, m := range c.machines {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		s, err := m.Memcached().Open(ctx)
		if err == nil {
			var stats map[string]string
			if stats, err = s.Stats(""); err == nil {
				counts[i] = flushCount{pid: number(t, stats["pid"]), flushes: number(t, stats["cmd_flush"])}
			}
			s.Close()
		}
		cancel()
		if err != nil {
			t.Logf("%s: memcached is not asked: %v", m.Name, err)
		}
	}
	return counts
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// table is the result of the whole test.
func table(rows []row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCENE\tOUTAGE ms\tMOVES\tFLUSHES\tSTALE\tDOUBLED ms\tCLIENT HELD UP ms")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%.1f\t%d\t%d\t%d\t%.1f\t%.1f\n", r.scene, ms(r.outage), r.moves, r.flushes, r.stale, ms(r.doubled), ms(r.held))
	}
	w.Flush()
	return b.String()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
