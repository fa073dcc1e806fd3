package core

import (
	"testing"
	"time"
)

// TestGap compares what a node that takes a VIP believes of the time without it with the time that it was really on no
// link. A holder that let go is heard of a few round trips late; one that died is dated back to its last renewal.
func TestGap(t *testing.T) {
	const lease = 600 * time.Millisecond
	for _, c := range []struct {
		name   string
		strike func(w *world, h *host)
		taker  string        // "": whoever it is
		short  time.Duration // that the belief may be below the truth
		long   time.Duration // and above it
	}{
		{"memcached dies", func(_ *world, h *host) { h.exit("mc"); h.probe("mc") }, "", time.Millisecond, 0},
		{"the agent stops", func(_ *world, h *host) { h.step(StopRequested{}) }, "", time.Millisecond, 0},
		{"nobody is named to take it", func(w *world, h *host) {
			w.lose["hint"] = true
			w.after(lease/2, func() { clear(w.lose) })
			h.step(StopRequested{})
		}, "", time.Millisecond, lease / 2},
		{"the agent is killed, and the kernel ends the address", func(_ *world, h *host) { h.m = nil; h.life++ }, "", 0, lease + lease/4},
		{"the host is cut off", func(w *world, _ *host) { w.split([][]string{{"a"}, {"b", "c"}}) }, "", 0, lease + lease/4},
		{"the link flaps and nobody else may take it", func(w *world, h *host) {
			for _, o := range []string{"b", "c"} {
				w.nodes[o].exit("mc")
				w.nodes[o].probe("mc")
			}
			h.step(LinkChanged{"v1", false})
			w.after(time.Second, func() { h.step(LinkChanged{"v1", true}) })
		}, "a", 0, time.Microsecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a", FailbackDelay: time.Hour}}, true, lease)
			w.fence = true
			for _, h := range w.hosts() {
				h.start()
			}
			first, taken := time.Duration(-1), 0
			w.changed = func(h *host, tr Transition) {
				if tr.Name != "v1" || tr.To != Holding.String() {
					if tr.Gap != 0 {
						t.Errorf("%s: %s -> %s has a gap of %s", h.name, tr.From, tr.To, tr.Gap)
					}
					return
				}
				if first < 0 {
					first = tr.Gap
					return
				}
				taken++
				truth := w.now.Sub(w.downAt["v1"]) // as far as until this node knew that the address is up
				if tr.Gap < truth-c.short || tr.Gap > truth+c.long || c.taker != "" && h.name != c.taker {
					t.Errorf("%s took it and says after %s; it was after %s", h.name, tr.Gap, truth)
				}
			}
			w.run(6 * time.Second)
			if first != 0 {
				t.Fatalf("the first to hold it says that nobody did for %s", first)
			}
			c.strike(w, w.nodes["a"])
			w.run(5 * time.Second)
			if taken != 1 {
				t.Errorf("it was taken %d times", taken)
			}
		})
	}
}

// TestNoGap: an agent that goes on within its lease says that there was none, for the address stayed up.
func TestNoGap(t *testing.T) {
	w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a", FailbackDelay: time.Hour}}, true, 600*time.Millisecond)
	for _, h := range w.hosts() {
		h.start()
	}
	w.run(6 * time.Second)
	a := w.nodes["a"]
	a.m = nil
	a.life++
	w.run(100 * time.Millisecond)
	held := 0
	w.changed = func(h *host, tr Transition) {
		if tr.To == Holding.String() && tr.Name == "v1" {
			held++
			if h != a || tr.Gap != 0 {
				t.Errorf("%s holds it after a gap of %s", h.name, tr.Gap)
			}
		}
	}
	a.start()
	w.run(time.Second)
	if held != 1 {
		t.Errorf("it was taken %d times", held)
	}
}
