package core

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestUnusedLossOfQuorum loses every majority for many lengths of time, beginning at many points of the
// heartbeats' beat, and wants every VIP back on its last holder, its cache kept: nobody else could serve.
// Losses that end while some node still believes itself quorate are ordinary failovers and not tried.
func TestUnusedLossOfQuorum(t *testing.T) {
	t.Parallel()
	for _, gap := range []time.Duration{0, 5 * time.Millisecond} {
		for _, offset := range []time.Duration{0, 3 * time.Millisecond, 20 * time.Millisecond, 47 * time.Millisecond} {
			for loss := 620 * time.Millisecond; loss < 1300*time.Millisecond; loss += 37 * time.Millisecond {
				if got := lossOfQuorum(gap, offset, loss); got != "" {
					t.Errorf("second cut %v after the first, starts %v apart, loss of %v:\n%s", gap, offset, loss, got)
				}
			}
		}
	}
}

// lossOfQuorum runs one loss and returns what happened since if a VIP is elsewhere or a cache is gone.
func lossOfQuorum(gap, offset, loss time.Duration) string {
	var vips []VIP
	for _, home := range []string{"a", "b", "c"} {
		vips = append(vips, VIP{Name: Name("v-" + home), Home: home, FailbackDelay: 5 * time.Second})
	}
	w := newWorld([]string{"a", "b", "c"}, nil, vips, true, 600*time.Millisecond)
	w.verbose = true
	for _, h := range w.hosts() {
		h.start()
		w.run(offset)
	}
	w.run(7 * time.Second)
	for _, v := range vips {
		w.write(v.Name)
	}
	w.taken()
	w.split([][]string{{"a"}, {"b", "c"}})
	w.run(gap)
	w.split([][]string{{"a"}, {"b"}, {"c"}})
	w.run(loss)
	w.note("- heal")
	clear(w.cut)
	w.run(1500 * time.Millisecond)
	var wrong strings.Builder
	for _, v := range vips {
		if up := w.upAt(v.Name); len(up) != 1 || up[0] != v.Home {
			fmt.Fprintf(&wrong, "%s is on %v\n", v.Name, up)
		} else if w.nodes[v.Home].cacheOf(v.Name).values[v.Name] != 1 {
			fmt.Fprintf(&wrong, "the cache of %s is gone\n", v.Name)
		}
	}
	if wrong.Len() == 0 {
		return ""
	}
	return wrong.String() + w.taken()
}
