//go:build integration

package integration

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"memvip/integration/lab"
)

// stretch is a time on the lab's clock.
type stretch struct{ since, until lab.Instant }

// judgement holds a stretch of a test to the promises.
type judgement struct {
	c      *cluster
	since  lab.Instant
	marks  map[string]int // length of each agent's log at the start
	excuse string         // why broken promises are only counted; "" if they fail the test
}

// judge starts a judgement that is passed when the test ends: no stale read, no two hosts answering ARP for
// one VIP. A failed test's story is logged: status as each agent tells it, and the agents' logs from here on.
func (c *cluster) judge(t *testing.T) *judgement { return c.judgeExcused(t, "") }

// judgeExcused is judge where an excuse, if not "", has broken promises counted and logged instead of failed,
// in this judgement and in those that began before it.
func (c *cluster) judgeExcused(t *testing.T, excuse string) *judgement {
	t.Helper()
	j := &judgement{c: c, since: lab.Now(), marks: map[string]int{}, excuse: excuse}
	for _, h := range c.Hosts {
		j.marks[h.Name] = len(h.Agent().Log())
	}
	t.Cleanup(func() {
		until := lab.Now()
		for _, s := range j.binding(until) {
			j.pass(t, s)
		}
		if excuse != "" {
			c.excused = append(c.excused, stretch{j.since, until})
		}
		if t.Failed() {
			j.tell(t)
		}
	})
	return j
}

// binding is the judgement's time without what others excused within it.
func (j *judgement) binding(until lab.Instant) []stretch {
	var list []stretch
	since := j.since
	for _, e := range j.c.excused { // in order, and no two overlap
		if e.since >= since && e.until <= until {
			list = append(list, stretch{since, e.since})
			since = e.until
		}
	}
	return append(list, stretch{since, until})
}

func (j *judgement) pass(t *testing.T, s stretch) {
	t.Helper()
	if stale := j.c.client.Stale(s.since, s.until); len(stale) > 0 {
		j.blame(t, "%d stale reads, first: %v, last: %v", len(stale), stale[0], stale[len(stale)-1])
	}
	for _, v := range j.c.VIPs {
		if d := j.c.watcher.Doubled(v.Addr, s.since, s.until); d > 0 {
			j.blame(t, "%s: two hosts answered ARP for %v", v.Addr, d)
		}
	}
}

// blame fails the test, or only says so where that is excused.
func (j *judgement) blame(t *testing.T, format string, args ...any) {
	t.Helper()
	if j.excuse != "" {
		t.Logf("excused ("+j.excuse+"): "+format, args...)
		return
	}
	t.Errorf(format, args...)
}

// report logs what one move cost the clients of a VIP, from an instant to now, and blames two hosts that
// answered in turns.
func (j *judgement) report(t *testing.T, what string, vip netip.Addr, since lab.Instant) {
	t.Helper()
	r := lab.Measure(j.c.client, j.c.watcher, vip, since, lab.Now())
	t.Logf("%s: %v", what, r)
	if r.Turns > 0 {
		j.blame(t, "%s: %s: %d answers by another host than %s after it had answered", what, vip, r.Turns, r.To)
	}
}

// tell logs what a reader of a failed test wants to know.
func (j *judgement) tell(t *testing.T) {
	t.Helper()
	t.Logf("now is %v on the lab's clock, %s on the wall's; the judgement began at %v", lab.Now(), time.Now().Format("15:04:05.000"), j.since)
	for _, v := range j.c.VIPs {
		for _, turn := range j.c.client.Turns(v.Addr, j.since, lab.Now()) {
			t.Logf("%s answered by %s from %v to %v, %d times", v.Addr, turn.Host, turn.First, turn.Last, turn.Answers)
		}
	}
	for _, h := range j.c.Hosts {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		out, code, err := h.Agent().Ctl(ctx, "status")
		cancel()
		t.Logf("agentctl status on %s: exit code %d, %v\n%s", h.Name, code, err, out)
		t.Logf("log of the agent on %s:\n%s", h.Name, h.Agent().Log()[j.marks[h.Name]:])
	}
}
