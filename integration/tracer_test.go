//go:build integration

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"memvip/agent/control"
	"memvip/integration/lab"
)

// tracer follows one key through one VIP by hand, step by step, beside the many that the client follows.
type tracer struct {
	*cluster
	vip    lab.VIP
	key    string
	newest string // the last value that was acknowledged through the VIP
}

// attemptMax is how long one attempt through a VIP may take before the next is made.
const attemptMax = time.Second

// trace follows a key that nothing has been stored for.
func (c *cluster) trace(t *testing.T, v lab.VIP) *tracer {
	t.Helper()
	return &tracer{cluster: c, vip: v, key: fmt.Sprintf("traced-%d", lab.Now())}
}

// write stores a value through the VIP, at that host and no other.
func (r *tracer) write(t *testing.T, value string, at *lab.Host) {
	t.Helper()
	r.through(t, at, func(s *lab.Session) error { return s.Set(r.key, value) })
	r.newest = value
}

// read reads through the VIP as soon as that host answers there.
func (r *tracer) read(t *testing.T, from *lab.Host) (value string, found bool) {
	t.Helper()
	r.through(t, from, func(s *lab.Session) (err error) {
		value, found, err = s.Get(r.key)
		return err
	})
	return value, found
}

// assertFresh reads through the VIP as soon as that host answers there, and wants a miss or the newest value.
func (r *tracer) assertFresh(t *testing.T, from *lab.Host) {
	t.Helper()
	if value, found := r.read(t, from); found && value != r.newest {
		t.Errorf("%s from %s: read %q, though %q was acknowledged later", r.vip.Addr, from.Name, value, r.newest)
	}
}

// assertLurking wants an old value to be in a host's memcached still, on its private address: without it there
// is nothing to be kept from clients, and the test would prove nothing.
func (r *tracer) assertLurking(t *testing.T, value string, in *lab.Host) {
	t.Helper()
	s := r.private(t, in)
	defer s.Close()
	got, found, err := s.Get(r.key)
	must(t, err)
	if !found || got != value {
		t.Fatalf("memcached on %s holds %q (found: %v), want %q", in.Name, got, found, value)
	}
}

// plant stores a value behind the back of everybody, on a host's private address.
func (r *tracer) plant(t *testing.T, value string, in *lab.Host) {
	t.Helper()
	s := r.private(t, in)
	defer s.Close()
	must(t, s.Set(r.key, value))
}

// instance is the memcached that serves the VIP on a host.
func (r *tracer) instance(h *lab.Host) *lab.Memcached { return h.Instance(r.vip.Addr) }

// private connects to the instance of the VIP on a host.
func (r *tracer) private(t *testing.T, h *lab.Host) *lab.Session {
	t.Helper()
	s, err := r.instance(h).Open(within(t))
	must(t, err)
	return s
}

// through does something on a fresh connection through the VIP, again and again until it is that host that
// answers and the thing is done.
func (r *tracer) through(t *testing.T, h *lab.Host, do func(*lab.Session) error) {
	t.Helper()
	await(t, fmt.Sprintf("%s is answered by %s", r.vip.Addr, h.Name), func() bool { return r.attempt(h, do) == nil })
}

func (r *tracer) attempt(h *lab.Host, do func(*lab.Session) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), attemptMax)
	defer cancel()
	private, err := r.instance(h).Open(ctx)
	if err != nil {
		return err
	}
	defer private.Close()
	public, err := r.OpenVIP(ctx, r.vip.Addr)
	if err != nil {
		return err
	}
	defer public.Close()
	want, err := private.Stats("")
	if err != nil {
		return err
	}
	got, err := public.Stats("")
	if err != nil {
		return err
	}
	if got["pid"] != want["pid"] {
		return fmt.Errorf("pid %s answers, want %s", got["pid"], want["pid"])
	}
	return do(public)
}

// told is what a node said of the instance that serves the VIP there.
func (r *tracer) told(n control.Node) control.Instance {
	for _, in := range n.Instances {
		if in.Address == r.instance(r.Host(n.Name)).Addr().String() {
			return in
		}
	}
	return control.Instance{}
}

// awaitStandIn waits until a host other than the home answers through the VIP.
func (r *tracer) awaitStandIn(t *testing.T) *lab.Host {
	t.Helper()
	return r.Host(r.awaitAway(t, r.vip.Addr, r.vip.Home.Name))
}

// awaitSaid waits until the agent of a host says something of the VIP, or of its home, in its status.
func (r *tracer) awaitSaid(t *testing.T, h *lab.Host, what string, holds func(v control.VIP, home control.Node) bool) {
	t.Helper()
	said, last := false, control.VIP{}
	defer func() {
		if !said {
			t.Logf("%s last said of %s: %s (%s) %s", h.Name, last.Address, last.Place, last.WhyCode, last.Why)
		}
	}()
	await(t, "status on "+h.Name+" says: "+what, func() bool {
		report, _ := r.status(t, h)
		last = report.VIPs[r.vip.Index]
		for _, n := range report.Nodes {
			if n.Name == r.vip.Home.Name {
				said = holds(last, n)
			}
		}
		return said
	})
}
