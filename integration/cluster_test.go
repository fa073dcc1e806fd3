//go:build integration

package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"memvip/agent/control"
	"memvip/configs"
	"memvip/integration/lab"
)

// patience is how long a test waits for what must happen; only a failing test waits that long.
const patience = 30 * time.Second

// patientLease is for whatever is not about how soon a lease ends: long enough for a process to start on a busy machine,
// and for a host that stands still meanwhile, as virtual ones do, not to lose its lease for that alone.
const patientLease = 2 * time.Second

// soonHome shortens the time that a home must be well before it gets its VIP back, which doubles with each loss.
const soonHome = `failback_delay = "100ms"`

// cluster is a lab with agents, a client that reads and writes through every VIP, and a watcher.
type cluster struct {
	*lab.Lab
	client  *lab.Client
	watcher *lab.Watcher
	excused []stretch // when broken promises were only counted, in order
}

// newCluster builds a cluster in which nothing runs yet but client and watcher. It ends with the test.
func newCluster(t *testing.T, o lab.Options) *cluster {
	t.Helper()
	return newClusterFor(t, o, lab.ClientOptions{})
}

// newClusterFor is newCluster with another client.
func newClusterFor(t *testing.T, o lab.Options, client lab.ClientOptions) *cluster {
	t.Helper()
	tellStalls(t)
	o.Agent, o.AgentCtl = cmp.Or(o.Agent, agentPath), ctlPath
	l, err := lab.New(o)
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	c := &cluster{Lab: l}
	c.client, err = l.StartClient(client)
	must(t, err)
	c.watcher, err = l.StartWatcher(lab.WatchOptions{})
	must(t, err)
	return c
}

// startCluster starts everything and waits until every VIP is served at home. The test fails if by its
// end a promise was broken.
func startCluster(t *testing.T, o lab.Options) *cluster {
	t.Helper()
	c := newCluster(t, o)
	c.judge(t)
	must(t, c.Start())
	c.awaitHome(t)
	return c
}

// configured is what the agents' configuration says.
func (c *cluster) configured(t *testing.T) *configs.Config {
	t.Helper()
	config, err := configs.Load(c.Config())
	must(t, err)
	return config
}

// homes says where every VIP belongs.
func (c *cluster) homes() map[netip.Addr]string {
	m := map[netip.Addr]string{}
	for _, v := range c.VIPs {
		m[v.Addr] = v.Home.Name
	}
	return m
}

// awaitHome waits until every VIP is answered for by its home, and no other host answers ARP for it.
func (c *cluster) awaitHome(t *testing.T) {
	t.Helper()
	must(t, c.client.WaitAllServed(within(t), c.homes()))
	for _, v := range c.VIPs {
		c.awaitAlone(t, v.Addr, v.Home.Name)
	}
}

// awaitAlone waits until one host alone answers ARP for a VIP.
func (c *cluster) awaitAlone(t *testing.T, vip netip.Addr, host string) {
	t.Helper()
	await(t, "only "+host+" answers for "+vip.String(), func() bool {
		who := c.watcher.Answering(vip)
		return len(who) == 1 && who[0] == host
	})
}

// awaitNobody waits until no host answers ARP for any VIP.
func (c *cluster) awaitNobody(t *testing.T) {
	t.Helper()
	await(t, "nobody answers for any VIP", func() bool {
		for _, v := range c.VIPs {
			if len(c.watcher.Answering(v.Addr)) > 0 {
				return false
			}
		}
		return true
	})
}

// awaitAway waits until a host serves a VIP that is not the given one, and returns its name.
func (c *cluster) awaitAway(t *testing.T, vip netip.Addr, not string) string {
	t.Helper()
	host, err := c.client.WaitMoved(within(t), vip, not)
	must(t, err)
	return host
}

// status asks the agent of a host, and returns agentctl's exit code too.
func (c *cluster) status(t *testing.T, h *lab.Host) (control.Report, int) {
	t.Helper()
	s, err := h.Agent().Status(within(t))
	must(t, err)
	var r control.Report
	if err := json.Unmarshal(s.Raw, &r); err != nil {
		t.Fatalf("status on %s: %v\n%s", h.Name, err, s.Raw)
	}
	return r, s.ExitCode
}

// awaitStatus waits until the agent of a host gives agentctl the exit code.
func (c *cluster) awaitStatus(t *testing.T, h *lab.Host, code int) control.Report {
	t.Helper()
	var r control.Report
	last := ""
	await(t, fmt.Sprintf("exit code %d of status on %s", code, h.Name), func() bool {
		var got int
		r, got = c.status(t, h)
		if now := fmt.Sprint(r.Problems); now != last && got != code {
			last = now
			t.Logf("%s: status on %s: exit code %d: %v", lab.Now(), h.Name, got, r.Problems)
		}
		return got == code
	})
	return r
}

// awaitTerms waits until the agent of a host reports that all is well, and the epoch of every VIP, which it hears from voters
// a heartbeat after it hears from the holder that it is served.
func (c *cluster) awaitTerms(t *testing.T, h *lab.Host) control.Report {
	t.Helper()
	var r control.Report
	await(t, h.Name+" knows the epoch of every VIP", func() bool {
		var code int
		r, code = c.status(t, h)
		return code == int(control.AllWell) && !slices.ContainsFunc(r.VIPs, func(v control.VIP) bool { return v.Epoch == 0 })
	})
	return r
}

// awaitNoMajority waits until the agent of a host knows of no VIP who serves it, for want of a majority.
func (c *cluster) awaitNoMajority(t *testing.T, h *lab.Host) {
	t.Helper()
	await(t, h.Name+" hears no majority", func() bool {
		r, code := c.status(t, h)
		return code == int(control.Unserved) && !slices.ContainsFunc(r.VIPs, func(v control.VIP) bool { return v.WhyCode != control.WhyNoMajority })
	})
}

// await polls until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

// within is the deadline of one wait.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// struck fails the test if a fault could not be made, and passes on when it was.
func struck(t *testing.T) func(lab.Instant, error) lab.Instant {
	return func(at lab.Instant, err error) lab.Instant {
		t.Helper()
		must(t, err)
		return at
	}
}
