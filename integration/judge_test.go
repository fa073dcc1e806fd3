//go:build integration

package integration

import (
	"context"
	"testing"
	"time"

	"memvip/integration/lab"
)

// doubledMin is the shortest overlap of two hosts' ARP answers that is taken for one. The watcher asks every
// 10 ms, and counts a host from its first answer to its last, so anything above zero is real; nothing is forgiven.
const doubledMin = time.Duration(0)

// judgement holds a stretch of a test to the promises.
type judgement struct {
	c       *cluster
	since   lab.Instant
	marks   map[string]int // length of each agent's log at the start
	excused string         // why double answers and stale reads are counted only; "" if they are not
}

// judge starts a judgement that is passed when the test ends: no stale read, no two hosts answering ARP for
// one VIP. A failed test's story is logged: status as each agent tells it, and the agents' logs from here on.
func (c *cluster) judge(t *testing.T) *judgement {
	t.Helper()
	j := &judgement{c: c, since: lab.Now(), marks: map[string]int{}}
	for _, h := range c.Hosts {
		j.marks[h.Name] = len(h.Agent().Log())
	}
	t.Cleanup(func() {
		j.pass(t)
		if t.Failed() {
			j.tell(t)
		}
	})
	return j
}

// excuse has broken promises counted and logged instead of failed.
func (j *judgement) excuse(why string) { j.excused = why }

func (j *judgement) pass(t *testing.T) {
	t.Helper()
	until := lab.Now()
	blame := t.Errorf
	if j.excused != "" {
		blame = func(format string, args ...any) { t.Logf("excused ("+j.excused+"): "+format, args...) }
	}
	stale := j.c.client.Stale(j.since, until)
	if len(stale) > 0 {
		blame("%d stale reads, first: %v, last: %v", len(stale), stale[0], stale[len(stale)-1])
	}
	for _, v := range j.c.VIPs {
		if d := j.c.watcher.Doubled(v.Addr, j.since, until); d > doubledMin {
			blame("%s: two hosts answered ARP for %v", v.Addr, d)
		}
	}
}

// tell logs what a reader of a failed test wants to know.
func (j *judgement) tell(t *testing.T) {
	t.Helper()
	t.Logf("now is %v on the lab's clock, %s on the wall's; the test began at %v", lab.Now(), time.Now().Format("15:04:05.000"), j.since)
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
