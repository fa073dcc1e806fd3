package sim

import "testing"

// TestRestedAt: a host is given its minute where other hands took a VIP from it four times within ten seconds, and nowhere else.
// Found by seed 2033731 of a soak: the home was waited for as if it might come back at once.
func TestRestedAt(t *testing.T) {
	for _, c := range []struct {
		name    string
		removed []int64
		want    int64
	}{
		{"three times", []int64{10 * s, 11 * s, 12 * s}, 0},
		{"four times, in long", []int64{1 * s, 11 * s, 12 * s, 13 * s}, 0},
		{"four times", []int64{10 * s, 11 * s, 12 * s, 13 * s}, 75 * s},
		{"the last of five", []int64{10 * s, 11 * s, 12 * s, 13 * s, 14 * s}, 76 * s},
	} {
		w := &World{vips: []*vip{{}, {removed: c.removed}}}
		if got := w.restedAt(); got != c.want {
			t.Errorf("%s: %d s, want %d s", c.name, got/s, c.want/s)
		}
	}
}
