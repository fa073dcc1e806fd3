package lab

import (
	"math/rand/v2"
	"testing"
)

func mustWrite(t *testing.T, l *ledger) write {
	t.Helper()
	w, ok := l.nextWrite()
	if !ok {
		t.Fatal("no write possible")
	}
	return w
}

func TestLedgerJudgesReads(t *testing.T) {
	tests := []struct {
		name    string
		acked   int // writes acknowledged before the read is sent
		later   int // writes acknowledged while the read is under way
		open    bool
		found   bool
		version uint64
		want    verdict
	}{
		{name: "miss before any write", want: verdictMiss},
		{name: "miss after a write", acked: 3, want: verdictMiss},
		{name: "newest", acked: 3, found: true, version: 3, want: verdictCurrent},
		{name: "one behind", acked: 3, found: true, version: 2, want: verdictStale},
		{name: "first of many", acked: 3, found: true, version: 1, want: verdictStale},
		{name: "overtaken while under way", acked: 2, later: 1, found: true, version: 2, want: verdictCurrent},
		{name: "newer than when sent", acked: 2, later: 1, found: true, version: 3, want: verdictCurrent},
		{name: "behind even when sent", acked: 2, later: 1, found: true, version: 1, want: verdictStale},
		{name: "of a write under way", acked: 2, open: true, found: true, version: 3, want: verdictCurrent},
		{name: "never written", acked: 2, found: true, version: 3, want: verdictAlien},
		{name: "no version at all", found: true, version: 0, want: verdictAlien},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger("k", 1, 1)
			for range tt.acked {
				l.acknowledged(mustWrite(t, l))
			}
			r := l.nextRead()
			for range tt.later {
				l.acknowledged(mustWrite(t, l))
			}
			if tt.open {
				mustWrite(t, l)
			}
			if got := l.judge(r, tt.found, tt.version); got != tt.want {
				t.Errorf("judge(found=%v, version=%d) = %v, want %v", tt.found, tt.version, got, tt.want)
			}
		})
	}
}

// An acknowledged delete counts as a write: the value before it is stale, a miss is not.
func TestLedgerDeleteIsAWrite(t *testing.T) {
	l := newLedger("k", 1, 1)
	for {
		w := mustWrite(t, l)
		l.acknowledged(w)
		if !w.delete {
			continue
		}
		if got := l.judge(l.nextRead(), true, w.version-1); got != verdictStale {
			t.Errorf("value older than the delete: %v, want stale", got)
		}
		if got := l.judge(l.nextRead(), false, 0); got != verdictMiss {
			t.Errorf("nothing after the delete: %v, want miss", got)
		}
		return
	}
}

// A write that failed may still happen, so its key is never used again.
func TestLedgerRetiresUncertainKeys(t *testing.T) {
	l := newLedger("k", 2, 2)
	first := mustWrite(t, l)
	l.acknowledged(first)
	l.acknowledged(mustWrite(t, l))
	r := read{slot: first.slot, gen: first.gen, key: first.key, floor: 1}

	w := mustWrite(t, l)
	if w.key != first.key || w.version != 2 {
		t.Fatalf("third write = %+v, want version 2 of %s", w, first.key)
	}
	l.uncertain(w)
	for range 4 {
		if got := l.nextRead(); got.key == first.key {
			t.Fatalf("retired key %s is read again", got.key)
		}
		next := mustWrite(t, l)
		if next.key == first.key {
			t.Fatalf("retired key %s is written again", next.key)
		}
		l.acknowledged(next)
	}
	if got := l.judge(r, true, 2); got != verdictCurrent {
		t.Errorf("read sent before the key was retired, returning the uncertain value: %v, want current", got)
	}
}

// However long an outage lasts, it burns no more keys than there may be writes under way.
func TestLedgerOutageBurnsFewKeys(t *testing.T) {
	const slots, writesMax = 32, 4
	l := newLedger("k", slots, writesMax)
	for range slots {
		l.acknowledged(mustWrite(t, l))
	}
	before := map[string]bool{}
	for _, s := range l.slots {
		before[s.key] = true
	}
	for range 100 {
		var stuck []write
		for {
			w, ok := l.nextWrite()
			if !ok {
				break
			}
			stuck = append(stuck, w)
		}
		if len(stuck) != writesMax {
			t.Fatalf("%d writes under way, want %d", len(stuck), writesMax)
		}
		for _, w := range stuck {
			l.uncertain(w)
		}
	}
	kept := 0
	for _, s := range l.slots {
		if before[s.key] {
			kept++
		}
	}
	if kept != slots-writesMax {
		t.Errorf("%d of %d keys outlived the outage, want %d", kept, slots, slots-writesMax)
	}
}

// Against a store that is one true map, in any interleaving, nothing is ever stale; against one that
// forgets the last write of a key, something is. The check can fail.
func TestLedgerTwin(t *testing.T) {
	for _, tt := range []struct {
		name    string
		forgets bool
	}{{"honest", false}, {"forgetful", true}} {
		t.Run(tt.name, func(t *testing.T) {
			if stale := runTwin(tt.forgets); (stale > 0) != tt.forgets {
				t.Errorf("%d stale reads from a store that forgets=%v", stale, tt.forgets)
			}
		})
	}
}

func runTwin(forgets bool) int {
	rng := rand.New(rand.NewPCG(1, 2))
	l := newLedger("k", 8, 4)
	store, previous := map[string]uint64{}, map[string]uint64{}
	var writes []write
	var reads []read
	stale := 0
	for range 20_000 {
		switch rng.IntN(4) {
		case 0:
			if w, ok := l.nextWrite(); ok {
				writes = append(writes, w)
			}
		case 1:
			if len(writes) == 0 {
				continue
			}
			i := rng.IntN(len(writes))
			w := writes[i]
			writes = append(writes[:i], writes[i+1:]...)
			if rng.IntN(10) == 0 {
				l.uncertain(w)
				continue
			}
			previous[w.key] = store[w.key]
			store[w.key] = w.version
			if w.delete {
				delete(store, w.key)
			}
			l.acknowledged(w)
		case 2:
			reads = append(reads, l.nextRead())
		case 3:
			if len(reads) == 0 {
				continue
			}
			r := reads[0]
			reads = reads[1:]
			from := store
			if forgets && rng.IntN(50) == 0 {
				from = previous
			}
			if l.judge(r, from[r.key] != 0, from[r.key]) == verdictStale {
				stale++
			}
		}
	}
	return stale
}
