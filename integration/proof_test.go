//go:build integration

package integration

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"memvip/agent/control"
	"memvip/agent/core"
	"memvip/integration/lab"
)

// What may happen to a home's memcached, or to what its agent knows of it, while its VIP is away. Each journey
// ends at home, but for the last, whose memcached cannot be flushed any more.
var journeys = []struct {
	name string
	make func(t *testing.T, r *tracer)
}{
	{"the agent loses its state", losesState},
	{"a reader on the host's own address", readerOnOwnAddress},
	{"a write that was sent while nobody served", lateWrite},
	{"flush_all is switched off", cannotFlush},
}

func TestProofOfHome(t *testing.T) {
	inEach(t, []setUp{idleStandIn, perVIP}, soonHome, func(t *testing.T, o lab.Options) {
		c := startCluster(t, o)
		for _, j := range journeys {
			t.Run(j.name, func(t *testing.T) { j.make(t, c.trace(t, c.VIPs[0])) })
		}
	})
}

// cutAndOverwrite has a value written at home, the home cut off, and a newer value written at the stand-in.
func cutAndOverwrite(t *testing.T, r *tracer) (standIn *lab.Host) {
	t.Helper()
	home := r.vip.Home
	r.write(t, "first, at home", home)
	struck(t)(r.Cut(home))
	standIn = r.awaitStandIn(t)
	r.write(t, "second, at the stand-in", standIn)
	r.assertLurking(t, "first, at home", home)
	return standIn
}

// An agent that comes back without its state knows nothing of what its memcached has served: it must flush,
// however young or old the process is.
func losesState(t *testing.T, r *tracer) {
	home := r.vip.Home
	cutAndOverwrite(t, r)
	struck(t)(home.Agent().Kill())
	must(t, home.Agent().LoseState())
	flushes := number(t, statsOf(t, r.instance(home)), "cmd_flush")
	struck(t)(r.HealHost(home))
	must(t, home.Agent().Start())
	r.assertFresh(t, home)
	if got := number(t, statsOf(t, r.instance(home)), "cmd_flush"); got <= flushes {
		t.Errorf("memcached at home was flushed %d times before and %d after, want more", flushes, got)
	}
}

// A reader on the host's own address keeps items young, and from memcached 1.6.25 on alive. While it reads,
// the home is not quiet, does not serve, and says why.
func readerOnOwnAddress(t *testing.T, r *tracer) {
	home := r.vip.Home
	standIn := cutAndOverwrite(t, r)
	reads, stop := r.readPrivately(t, home)
	healed := struck(t)(r.HealHost(home))
	r.awaitSaid(t, standIn, "the home is not quiet", func(v control.VIP, _ control.Node) bool {
		return v.Holder == standIn.Name && v.WhyCode == comingTainted &&
			strings.Contains(v.Why, "cmd_get went from") && strings.Contains(v.Why, "the host's own address")
	})
	from := reads.Load()
	await(t, "the reader reads for longer than quiet takes", func() bool { return reads.Load()-from > readsPerQuiet })
	for _, turn := range r.client.Turns(r.vip.Addr, healed, lab.Now()) {
		if turn.Host == home.Name {
			t.Errorf("the home answered from %v on, while a reader on its own address kept items young", turn.First)
		}
	}
	r.assertLurking(t, "first, at home", home)
	r.assertFresh(t, standIn)
	stop()
	r.assertFresh(t, home)
}

// comingTainted is the code of a home that is up but not proved clean.
const comingTainted = control.WhyCode("coming_tainted")

const (
	readEvery = 20 * time.Millisecond
	// readsPerQuiet is how many reads take one and a half times as long as the 2 s of quiet before a flush.
	readsPerQuiet = int64(3 * time.Second / readEvery)
)

// readPrivately reads the key on a host's private address until stopped.
func (r *tracer) readPrivately(t *testing.T, h *lab.Host) (reads *atomic.Int64, stop func()) {
	t.Helper()
	s := r.private(t, h)
	reads = &atomic.Int64{}
	enough, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(readEvery)
		defer tick.Stop()
		for {
			if _, _, err := s.Get(r.key); err != nil {
				ended <- err
				return
			}
			reads.Add(1)
			select {
			case <-tick.C:
			case <-enough:
				ended <- s.Close()
				return
			}
		}
	}()
	return reads, func() {
		t.Helper()
		close(enough)
		must(t, <-ended)
	}
}

// A client's write that found nobody waits in its kernel's retransmit queue, which would deliver it to a
// memcached that was flushed meanwhile, were its connection still known there.
func lateWrite(t *testing.T, r *tracer) {
	home := r.vip.Home
	r.write(t, "first, at home", home)
	late := r.openVIP(t, r.vip.Addr)
	_, err := late.Do("mn")
	must(t, err)

	for _, h := range r.Hosts {
		struck(t)(r.CutFromClients(h))
	}
	struck(t)(r.Isolate(home))
	standIn, neighbour := r.awaitHeldElsewhere(t), r.Hosts[1]
	must(t, late.Send(fmt.Sprintf("set %s 0 0 4\r\nlate", r.key)))
	r.writeFrom(t, neighbour, "second, at "+standIn)

	// For a moment the client reaches the home, which has no such address and says nothing.
	struck(t)(r.HealHost(home))
	struck(t)(r.CutFromClients(home))
	r.awaitSaid(t, home, "the VIP is at home", func(v control.VIP, _ control.Node) bool { return v.Place == control.PlaceHome && v.Served })
	if waiting, err := late.Unacknowledged(); err != nil || waiting == 0 {
		t.Fatalf("%d bytes wait to be sent again (%v): the late write is not under way any more", waiting, err)
	}
	struck(t)(r.Heal())
	answer, err := late.Line()
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the late write was answered with %q (%v), want its connection reset", answer, err)
	}
	r.assertFresh(t, home)
}

// awaitHeldElsewhere waits until another host than the home holds the VIP and the home has let go of it, by their
// own word: the client sees nothing.
func (r *tracer) awaitHeldElsewhere(t *testing.T) (holder string) {
	t.Helper()
	home := r.vip.Home
	r.awaitSaid(t, r.Hosts[1], "the VIP is away", func(v control.VIP, _ control.Node) bool {
		holder = v.Holder
		return v.Place == control.PlaceAway && v.Served
	})
	for _, a := range addressesOf(t, home) {
		if a == r.vip.Addr {
			t.Fatalf("%s is still on %s", a, home.Name)
		}
	}
	return holder
}

// writeFrom stores a value through the VIP from another host.
func (r *tracer) writeFrom(t *testing.T, h *lab.Host, value string) {
	t.Helper()
	s, err := h.OpenVIP(within(t), r.vip.Addr)
	must(t, err)
	defer s.Close()
	must(t, s.Set(r.key, value))
	r.newest = value
}

// A home whose memcached refuses flush_all never serves again, not even when nobody else is left.
func cannotFlush(t *testing.T, r *tracer) {
	home := r.vip.Home
	r.write(t, "first, at home", home)
	struck(t)(r.instance(home).Kill())
	first := r.awaitStandIn(t)
	r.write(t, "second, at the stand-in", first)
	r.instance(home).Args = append(r.instance(home).Args, "-F")
	must(t, r.instance(home).Start())
	r.plant(t, "first, at home", home)

	const refused = "flush_all is switched off (-F)"
	r.awaitSaid(t, first, "the home cannot be flushed", func(v control.VIP, n control.Node) bool {
		return v.Holder == first.Name && v.WhyCode == control.WhyCode("home_"+core.Unprovable.String()) && strings.Contains(v.Why, refused) &&
			n.VIPs[r.vip.Index].Standing == core.Unprovable.String()
	})
	r.assertFresh(t, first)

	began := lab.Now()
	struck(t)(r.instance(first).Kill())
	second := r.awaitStandIn(t)
	r.write(t, "third, at the other stand-in", second)
	struck(t)(r.instance(second).Kill())
	r.awaitSaid(t, second, "nobody may", func(v control.VIP, _ control.Node) bool {
		return v.Place == control.PlaceUnserved && v.WhyCode == control.WhyNobodyMay && strings.Contains(v.Why, refused)
	})
	r.assertLurking(t, "first, at home", home)
	must(t, r.instance(first).Start())
	r.assertFresh(t, first)
	for _, turn := range r.client.Turns(r.vip.Addr, began, lab.Now()) {
		if turn.Host == home.Name {
			t.Errorf("the home answered from %v on, though it cannot be flushed", turn.First)
		}
	}
}
