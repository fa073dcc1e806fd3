package core

import (
	"testing"
	"time"
)

// TestRefusalBeforeAHandback: a home that was refused, and would try again by itself when the time is over that it was
// told, takes its VIP nevertheless when the holder lets go for it. Else it sent a holder back that had given up its
// cache, and could do so with every hand-back, where both come round in the same time.
func TestRefusalBeforeAHandback(t *testing.T) {
	const lease = 600 * time.Millisecond
	w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a", FailbackDelay: time.Second}}, true, lease)
	for _, h := range w.hosts() {
		h.start()
	}
	a := w.nodes["a"]
	w.run(6 * time.Second)
	a.exit("mc")
	a.probe("mc")
	w.run(time.Second)
	if up := w.upAt("v1"); len(up) != 1 || up[0] == "a" {
		t.Fatalf("after memcached's death on its home it is on %v", up)
	}
	a.run("mc")
	a.probe("mc")
	let, reclaimed := 0, 0
	w.changed = func(h *host, tr Transition) {
		switch {
		case h == a || tr.Name != "v1":
		case tr.Cause == CauseHandback:
			let++
			a.m.leases["v1"].retryAt = w.now.Add(lease)
		case tr.Cause == CauseReclaim:
			reclaimed++
		}
	}
	w.run(8 * time.Second)
	if up := w.upAt("v1"); let != 1 || reclaimed != 0 || len(up) != 1 || up[0] != "a" {
		t.Errorf("its holder let go %d times and took it again %d times; it is on %v", let, reclaimed, up)
	}
}
