//go:build integration

package integration

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memvip/integration/lab"
)

// noRecall leaves the clients of a dead host to their own patience, in an agent built with the tag "faults".
var noRecall = []string{"MEMVIP_FAULT=no_recall"}

const (
	// recallLease ends between two retransmissions of a request that was under way when its host died. Linux sends one
	// again after 0.2 s, and then after twice the pause each time: it comes after 1.4 or 1.6 s for who is left to that, and the
	// next holder is there after 0.8 to 1.2 s.
	recallLease = 1100 * time.Millisecond
	// recallRounds are how often a host dies each way, each time another.
	recallRounds = 3
	// idlers are connections that nobody uses, beside those of the client: more than it has, for it to be told by their
	// number that they are known; and with those no more than a drop resets.
	idlers = 50
	// crowd are more than that.
	crowd = 300
)

// A client whose host dies while it waits for an answer is served again once the next host has the VIP, and not when it
// would have sent its request again; and connections that are idle end with that, too. The agents that recall nobody
// show what the clients would have had to wait.
func TestClientsOfADeadHostAreRecalled(t *testing.T) {
	agent := built(t, "memvip/cmd/memvip-agent", "-tags", "faults")
	outages := map[string]time.Duration{}
	for _, way := range []struct {
		name  string
		env   []string
		reset bool
	}{
		{name: "left to their patience", env: noRecall},
		{name: "recalled", reset: true},
	} {
		t.Run(way.name, func(t *testing.T) {
			c := newClusterFor(t, lab.Options{
				Agent: agent, AgentEnv: way.env, Lease: recallLease, VIPTOML: soonHome, InstancePerVIP: true,
			}, lab.ClientOptions{Discipline: lab.ClosedLoop, DialTimeout: 3 * time.Second, AnswerTimeout: 3 * time.Second})
			c.judge(t)
			must(t, c.Start())
			for _, v := range c.VIPs[:recallRounds] {
				outages[way.name] += c.hostDies(t, v, way.reset)
			}
		})
	}
	with, without := outages["recalled"], outages["left to their patience"]
	t.Logf("outage of a client with a request under way, lease %s: %v recalled, %v left to its patience: %.2f of it",
		recallLease, with/recallRounds, without/recallRounds, float64(with)/float64(without))
	if with == 0 || with > without*85/100 {
		t.Errorf("recalled clients went without for %v, others for %v", with, without)
	}
}

// A killed memcached holds its connections for as long as the kernel takes to free its memory, while the VIP has moved
// long since. Its clients are reset before the address goes, by the holder: with nobody to recall them, they would wait.
// Of a crowd it resets some, for the VIP to move no later, and the next holder recalls the rest.
func TestClientsOfADyingMemcachedAreReset(t *testing.T) {
	const fill = 256 << 20 // bytes, of some 30 ms
	agent := built(t, "memvip/cmd/memvip-agent", "-tags", "faults")
	for _, way := range []struct {
		name string
		env  []string
		idle int
	}{
		{"a few by the holder", noRecall, idlers},
		{"a crowd by both", nil, crowd},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			c := newClusterFor(t, lab.Options{
				Agent: agent, AgentEnv: way.env, VIPTOML: soonHome, InstancePerVIP: true, MemcachedArgs: []string{"-m", "512"},
			}, lab.ClientOptions{Discipline: lab.ClosedLoop})
			c.judge(t)
			must(t, c.Start())
			c.awaitHome(t)
			v := c.VIPs[0]
			must(t, v.Home.Instance(v.Addr).Fill(within(t), fill))
			idle := c.idlers(t, v.Addr, way.idle)
			c.awaitKnown(t, v, way.idle+1)

			at := struck(t)(v.Home.Instance(v.Addr).Kill())
			c.judgeIdlers(t, v, idle, at, true)
		})
	}
}

// hostDies cuts a VIP's home off and returns how long its client went without. It holds the idle connections of that VIP
// to having been reset, or not.
func (c *cluster) hostDies(t *testing.T, v lab.VIP, reset bool) time.Duration {
	t.Helper()
	c.awaitHome(t)
	idle := c.idlers(t, v.Addr, idlers)
	c.awaitKnown(t, v, idlers+1)

	at := struck(t)(c.Cut(v.Home))
	gap := c.judgeIdlers(t, v, idle, at, reset)

	struck(t)(c.HealHost(v.Home))
	return gap
}

// judgeIdlers waits until a VIP has moved for what happened at an instant, holds the idle connections to being reset,
// or not, and returns how long the client went without.
func (c *cluster) judgeIdlers(t *testing.T, v lab.VIP, idle []*idler, at lab.Instant, reset bool) time.Duration {
	t.Helper()
	c.awaitAway(t, v.Addr, v.Home.Name)
	outage := c.client.Outage(v.Addr, at, lab.Now())
	t.Logf("%v", outage)
	if reset {
		patience := within(t) // nothing else ends them
		last := at
		for _, s := range idle {
			s.judgeReset(t, patience)
			last = max(last, s.at)
		}
		t.Logf("idle connections were reset within %v of the fault", last.Sub(at))
		return outage.Gap
	}
	must(t, c.client.WaitFor(within(t), outage.Gap)) // they have as long again to notice
	for _, s := range idle {
		s.judgeUnaware(t, at)
	}
	return outage.Gap
}

// awaitKnown waits until every other host knows the lasting connections of a VIP, the idle ones and a closed loop's. It may
// know some of an open loop's besides.
func (c *cluster) awaitKnown(t *testing.T, v lab.VIP, lasting int) {
	t.Helper()
	for _, h := range c.Hosts {
		if h == v.Home {
			continue
		}
		known := -1
		await(t, h.Name+" knows the clients of "+v.Addr.String(), func() bool {
			r, _ := c.status(t, h)
			if now := r.VIPs[v.Index].Clients; now != known {
				known = now
				t.Logf("%v: %s knows %d clients of %s", lab.Now(), h.Name, known, v.Addr)
			}
			return known >= lasting
		})
	}
}

// idler is a connection that waits for what nobody sends.
type idler struct {
	ended chan struct{} // closed when the connection is over
	at    lab.Instant   // when that was
	err   error
}

// idlers opens so many connections to a VIP that stay idle. They end with the test.
func (c *cluster) idlers(t *testing.T, vip netip.Addr, n int) []*idler {
	t.Helper()
	var list []*idler
	for range n {
		session, err := c.OpenVIP(within(t), vip)
		must(t, err)
		if _, _, err := session.Get("nothing"); err != nil {
			t.Fatal(err)
		}
		i := &idler{ended: make(chan struct{})}
		go func() {
			defer close(i.ended)
			_, i.err = session.Line()
			i.at = lab.Now()
		}()
		t.Cleanup(func() { session.Close(); <-i.ended })
		list = append(list, i)
	}
	return list
}

// judgeReset holds an idle connection to being reset.
func (i *idler) judgeReset(t *testing.T, patience context.Context) {
	t.Helper()
	select {
	case <-i.ended:
		if !errors.Is(i.err, unix.ECONNRESET) {
			t.Errorf("an idle connection ended with %v, want a reset", i.err)
		}
	case <-patience.Done():
		t.Error("an idle connection was not reset")
	}
}

// judgeUnaware holds an idle connection to not having heard of what happened.
func (i *idler) judgeUnaware(t *testing.T, since lab.Instant) {
	t.Helper()
	select {
	case <-i.ended:
		t.Errorf("an idle connection ended %v after the host: %v", i.at.Sub(since), i.err)
	default:
	}
}
