//go:build integration

package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var tuned = KeepalivedOptions{Version: 3, Advert: 100 * time.Millisecond, TrackProcess: true}

// keptAlive is a lab whose VIPs keepalived has brought home.
func keptAlive(t *testing.T, o KeepalivedOptions) (*Lab, *Client, *Watcher) {
	t.Helper()
	if _, err := keepalivedPath(); err != nil {
		t.Fatal(err)
	}
	l, err := New(Options{InstancePerVIP: true, Keepalived: &o})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.Logs())
		}
		families := make([][]int, len(l.Hosts))
		for i, h := range l.Hosts {
			families[i] = h.keepalived.kin()
		}
		must(t, l.Close())
		must(t, awaitGone(slices.Concat(families...)))
		assertNothingLeft(t, l)
	})
	must(t, l.Start())
	w, err := l.StartWatcher(WatchOptions{})
	must(t, err)
	return l, startClient(t, l, ClientOptions{}), w
}

// As root, keepalived does in a lab what it does on hosts; a user namespace is refused in words.
func TestKeepalived(t *testing.T) {
	if rootless {
		l, err := New(Options{Keepalived: &tuned})
		if !errors.Is(err, errRootless) {
			t.Errorf("a lab %v of keepalived in a user namespace: %v, want %v", l, err, errRootless)
		}
		return
	}
	t.Run("moves VIPs", testKeepalivedMovesVIPs)
	t.Run("killed, it ends as a whole and keeps its address", testKilledKeepalived)
	t.Run("frozen, it stands still as a whole", testFrozenKeepalived)
	t.Run("usage and traffic", testKeepalivedUsageAndTraffic)
}

// Every fault that a manager can suffer moves a VIP to another host and, when it is over, home again.
func testKeepalivedMovesVIPs(t *testing.T) {
	l, c, w := keptAlive(t, tuned)
	for i, f := range []struct {
		name         string
		strike, heal func(VIP) (Instant, error)
	}{
		{
			"instance dies",
			func(v VIP) (Instant, error) { return v.Home.Instance(v.Addr).Kill() },
			func(v VIP) (Instant, error) { return Now(), v.Home.Instance(v.Addr).Start() },
		},
		{
			"priority is lowered",
			func(v VIP) (Instant, error) { return v.Home.Keepalived().Demote(v.Addr) },
			func(v VIP) (Instant, error) { return v.Home.Keepalived().Restore(v.Addr) },
		},
		{
			"told to end",
			func(v VIP) (Instant, error) { return v.Home.Manager().Term() },
			func(v VIP) (Instant, error) { <-v.Home.Manager().Done(); return Now(), v.Home.Manager().Start() },
		},
		{
			"killed",
			func(v VIP) (Instant, error) { return v.Home.Manager().Kill() },
			func(v VIP) (Instant, error) { return Now(), v.Home.Manager().Start() },
		},
		{
			"host frozen",
			func(v VIP) (Instant, error) { return v.Home.Freeze() },
			func(v VIP) (Instant, error) { return v.Home.Thaw() },
		},
		{
			"instance hangs, which only the check script can tell",
			func(v VIP) (Instant, error) { return v.Home.Instance(v.Addr).Freeze() },
			func(v VIP) (Instant, error) { return v.Home.Instance(v.Addr).Thaw() },
		},
	} {
		v := l.VIPs[i%len(l.VIPs)]
		t.Run(f.name, func(t *testing.T) {
			at := struck(t)(f.strike(v))
			to, err := c.WaitMoved(within(t), v.Addr, v.Home.Name)
			must(t, err)
			a, err := w.WaitAnnounced(within(t), v.Addr, at, v.Home.Name)
			must(t, err)
			if a.Host != to {
				t.Errorf("announced by %s, served by %s", a.Host, to)
			}
			struck(t)(f.heal(v))
			must(t, c.WaitAllServed(within(t), homes(l)))
		})
	}
}

// A killed manager leaves neither children, which would end in order, nor the right to say so: its address stays.
func testKilledKeepalived(t *testing.T) {
	l, _, w := keptAlive(t, tuned)
	v := l.VIPs[0]
	k := v.Home.Keepalived()
	family := k.kin()
	if len(family) == 0 {
		t.Fatal("no child to end")
	}
	at := struck(t)(k.Kill())
	if err := awaitGone(family); err != nil {
		t.Error(err)
	}
	_, err := w.WaitAnnounced(within(t), v.Addr, at, v.Home.Name)
	must(t, err)
	must(t, poll(within(t), func() error {
		if w.Doubled(v.Addr, at, Now()) == 0 {
			return errors.New("want both hosts to answer ARP")
		}
		return nil
	}))
	if strings.Contains(k.Log()[strings.LastIndex(k.Log(), "Startup complete"):], "Stopping") {
		t.Errorf("it ended in order:\n%s", k.Log())
	}
}

// A frozen family stands still as a whole, and goes on as a whole.
func testFrozenKeepalived(t *testing.T) {
	l, _, _ := keptAlive(t, tuned)
	k := l.Hosts[0].Keepalived()
	states := func() string {
		var all strings.Builder
		for _, pid := range append(k.kin(), k.PID()) {
			s, err := threadStates(pid)
			must(t, err)
			all.WriteString(s)
		}
		return all.String()
	}
	struck(t)(k.Freeze())
	if s := states(); len(s) < 2 || strings.Trim(s, "T") != "" {
		t.Errorf("states %q, want T everywhere, twice at least", s)
	}
	struck(t)(k.Thaw())
	if s := states(); strings.Contains(s, "T") {
		t.Errorf("states %q after the thaw", s)
	}
}

// What a manager costs and says can be told: more as time passes.
func testKeepalivedUsageAndTraffic(t *testing.T) {
	l, c, w := keptAlive(t, KeepalivedOptions{Version: 2, Advert: time.Second})
	must(t, w.Close()) // whose questions would count
	h := l.Hosts[0]
	traffic, err := h.CountTraffic()
	must(t, err)
	before, err := h.Manager().Usage()
	must(t, err)
	if before.PSS <= 0 || before.PSS > before.RSS {
		t.Errorf("%d bytes resident, %d of them its own share", before.RSS, before.PSS)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(t, c.WaitFor(ctx, 3*time.Second))
	// The kernel samples what scripts take, so that a few short ones may count for nothing.
	must(t, poll(ctx, func() error {
		after, err := h.Manager().Usage()
		if err == nil && (after.CPU <= before.CPU || after.Scripts <= before.Scripts) {
			err = fmt.Errorf("used %v and %v for scripts, then %v and %v", before.CPU, before.Scripts, after.CPU, after.Scripts)
		}
		return err
	}))
	sent, received := traffic.Read()
	// One advertisement a second, of 54 bytes, from each host; ARP and what the gratuitous ones repeat comes on top.
	if sent.Packets < 2 || received.Packets < 4 || sent.Packets > 100 || sent.Bytes < 42*sent.Packets {
		t.Errorf("sent %+v, received %+v", sent, received)
	}
	must(t, traffic.Close())
}
