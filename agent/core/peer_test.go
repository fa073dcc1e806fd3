package core

import (
	"slices"
	"testing"
	"time"
)

// TestWhoHasAPartInAChange: a node that gives a VIP away says to whom, and one that takes it says who had it, as far as
// it was heard.
func TestWhoHasAPartInAChange(t *testing.T) {
	w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a", FailbackDelay: time.Second}}, true, 600*time.Millisecond)
	for _, h := range w.hosts() {
		h.start()
	}
	wants := func(what string, d time.Duration, want ...string) {
		t.Helper()
		w.run(d)
		if !slices.Equal(w.peers, want) {
			t.Errorf("%s:\n got %q\nwant %q", what, w.peers, want)
		}
		w.peers = nil
	}
	wants("the first to have it takes it from nobody", 6*time.Second)

	a := w.nodes["a"]
	a.step(DrainRequested{On: true})
	wants("given away", time.Second, "a v1: holding -> dropping, c", "a v1: dropping -> idle, c", "c v1: taking -> holding, a")

	a.step(DrainRequested{})
	wants("given back", 9*time.Second, "c v1: holding -> dropping, a", "c v1: dropping -> idle, a", "a v1: taking -> holding, c")

	w.split([][]string{{"a"}, {"b", "c"}})
	wants("lost to nobody in particular", 3*time.Second, "c v1: taking -> holding, a")
}
