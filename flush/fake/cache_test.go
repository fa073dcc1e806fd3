package fake

import "testing"

// The rules of both generations, in ticks, without a server around them.
func TestWhatAFlushLeaves(t *testing.T) {
	for _, test := range []struct {
		name       string
		generation Generation
		readAt     int64 // when the older item was read; both were stored before
		newerSetAt int64
		olderLeft  bool
	}{
		{"old items, until 1.6.24", Until1624, 90, 91, false},
		{"old items, since 1.6.25", Since1625, 90, 91, false},
		{"just read, until 1.6.24", Until1624, 100, 91, false},
		{"just read below an old one, since 1.6.25", Since1625, 100, 91, true},
		{"just read below a young one, since 1.6.25", Since1625, 100, 100, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCache(test.generation)
			c.set(80, "older", "0", "x")
			c.set(test.newerSetAt, "newer", "0", "x")
			c.get(test.readAt, "older")
			c.flush(100, 0)
			if left := c.get(100, "older") != nil; left != test.olderLeft {
				t.Errorf("the older item is left: %v, want %v", left, test.olderLeft)
			}
			if c.get(100, "newer") != nil {
				t.Error("the newer item is left")
			}
			c.set(100, "later", "0", "x")
			if c.get(100, "later") == nil {
				t.Error("an item stored after the flush is gone")
			}
		})
	}
}

func TestDelayedFlush(t *testing.T) {
	for _, generation := range []Generation{Until1624, Since1625} {
		c := newCache(generation)
		c.set(80, "a", "0", "x")
		c.flush(90, 0)
		c.flush(90, 10)
		if c.get(98, "a") == nil {
			t.Error("a delayed flush did not take the earlier one back")
		}
		if c.get(99, "a") != nil {
			t.Error("a delayed flush took no effect")
		}
	}
}
