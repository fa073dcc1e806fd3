//go:build integration

package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what must happen; only a failing test waits that long.
const patience = 20 * time.Second

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
func struck(t *testing.T) func(Instant, error) Instant {
	return func(at Instant, err error) Instant {
		t.Helper()
		must(t, err)
		return at
	}
}

// newLab builds a lab with memcached running and every VIP at its home, and asserts at the test's end
// that nothing is left of it.
func newLab(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := New(o)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.Logs())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		assertNothingLeft(t, l)
	})
	must(t, l.StartMemcached())
	for _, v := range l.VIPs {
		serve(t, v.Home, v.Addr)
	}
	return l
}

func assertNothingLeft(t *testing.T, l *Lab) {
	t.Helper()
	for _, h := range l.Hosts {
		if h.node != nil {
			t.Errorf("%s still has a namespace", h.Name)
		}
		for _, m := range h.Instances() {
			if pid := m.PID(); pid != 0 {
				t.Errorf("%s is still there as pid %d", m.name, pid)
			}
		}
	}
	for pid := range l.pids {
		if _, err := os.Stat("/proc/" + itoa(pid)); err == nil {
			t.Errorf("pid %d, started by the lab, is still there", pid)
		}
	}
	names, err := os.ReadDir(runDir)
	must(t, err)
	for _, n := range names {
		if n.Name() != "netns" {
			t.Errorf("%s/%s is left", runDir, n.Name())
		}
	}
	names, err = os.ReadDir(netnsDir)
	must(t, err)
	for _, n := range names {
		t.Errorf("%s/%s is left", netnsDir, n.Name())
	}
	if err := goleak.Find(); err != nil {
		t.Error(err)
	}
}

// startClient starts a client and waits until every VIP is answered for from its home.
func startClient(t *testing.T, l *Lab, o ClientOptions) *Client {
	t.Helper()
	c, err := l.StartClient(o)
	must(t, err)
	must(t, c.WaitAllServed(within(t), homes(l)))
	return c
}

func homes(l *Lab) map[netip.Addr]string {
	m := map[netip.Addr]string{}
	for _, v := range l.VIPs {
		m[v.Addr] = v.Home.Name
	}
	return m
}

// serve and move do by hand what an agent would.
func serve(t *testing.T, h *Host, vip netip.Addr) {
	t.Helper()
	must(t, h.TakeByHand(vip))
	must(t, h.AnnounceByHand(vip))
}

func move(t *testing.T, vip netip.Addr, from, to *Host) Instant {
	t.Helper()
	at := Now()
	must(t, from.DropByHand(vip))
	serve(t, to, vip)
	return at
}

// waitWrites waits until so many more writes through the VIP were acknowledged.
func waitWrites(t *testing.T, c *Client, vip netip.Addr, n int) {
	t.Helper()
	target := c.Totals(vip).Writes + n
	must(t, c.await(within(t), "more writes", func(Instant) bool { return c.at(vip).total.Writes >= target }))
}

// waitFailure waits until an attempt failed in this way after the instant.
func waitFailure(t *testing.T, c *Client, vip netip.Addr, since Instant, why Failure) {
	t.Helper()
	must(t, c.await(within(t), why.String(), func(Instant) bool {
		for _, f := range c.at(vip).failed {
			if f.At > since && f.Why == why {
				return true
			}
		}
		return false
	}))
}

// assertUnharmed fails the test if a fault somewhere else reached the VIP. On a starved machine single attempts
// may run into their time limit for no other reason; a VIP that is really harmed loses all of them.
func assertUnharmed(t *testing.T, c *Client, vip netip.Addr, since Instant) {
	t.Helper()
	until := Now()
	answers := 0
	for _, turn := range c.Turns(vip, since, until) {
		answers += turn.Answers
	}
	if o := c.Outage(vip, since, until); o.To != "" || o.Failed > answers || o.Stale > 0 {
		t.Errorf("harmed with %d answers: %v; stalls of the client: %v", answers, o, c.Stalls(since, until))
	}
}

// reaches reports whether a datagram gets from one host to the other. Both must know each other's
// hardware address from before, so that one direction can be looked at alone.
func reaches(t *testing.T, from, to *Host) bool {
	t.Helper()
	var in net.PacketConn
	must(t, to.Inside(func() (err error) {
		in, err = net.ListenPacket("udp4", netip.AddrPortFrom(to.Addr, 0).String())
		return err
	}))
	defer in.Close()
	var out net.Conn
	must(t, from.Inside(func() (err error) {
		out, err = net.Dial("udp4", in.LocalAddr().String())
		return err
	}))
	defer out.Close()
	for range 3 {
		if _, err := out.Write([]byte("x")); err != nil {
			return false
		}
		must(t, in.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
		_, _, err := in.ReadFrom(make([]byte, 1))
		if err == nil {
			return true
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	return false
}

// acquaint makes all hosts know each other's hardware addresses.
func acquaint(t *testing.T, l *Lab) {
	t.Helper()
	for _, a := range l.Hosts {
		for _, b := range l.Hosts {
			if a != b && !reaches(t, a, b) {
				t.Fatalf("%s does not reach %s in a network without faults", a.Name, b.Name)
			}
		}
	}
}

// assertReach compares who reaches whom with the pairs that must not.
func assertReach(t *testing.T, l *Lab, parted map[[2]string]bool) {
	t.Helper()
	for _, a := range l.Hosts {
		for _, b := range l.Hosts {
			if a == b {
				continue
			}
			want := !parted[[2]string{a.Name, b.Name}]
			if got := reaches(t, a, b); got != want {
				t.Errorf("%s reaches %s: %v, want %v", a.Name, b.Name, got, want)
			}
		}
	}
}
