package core

import (
	"slices"
	"testing"
	"time"
)

// keeper is a holder of one VIP whose saves the test answers itself.
type keeper struct {
	t    *testing.T
	m    *Machine
	now  Instant
	save SaveState // the newest
	did  []Effect
}

func newKeeper(t *testing.T) *keeper {
	w := newWorld([]string{"a", "b", "c"}, nil, []VIP{{Name: "v1", Home: "a", FailbackDelay: time.Second}}, true, 600*time.Millisecond)
	for _, h := range w.hosts() {
		h.start()
	}
	w.run(6 * time.Second)
	h := w.nodes["a"]
	if !h.up["v1"] {
		t.Fatal("v1 is not up on a")
	}
	return &keeper{t: t, m: h.m, now: w.now}
}

// step feeds the machine after a while, and keeps what it orders.
func (k *keeper) step(after time.Duration, ev Event) {
	k.now = k.now.Add(after)
	k.did = k.m.Step(k.now, ev)
	for _, e := range k.did {
		if s, ok := e.(SaveState); ok {
			k.save = s
		}
	}
}

// ordered returns the first effect of a kind that the last step ordered.
func ordered[E Effect](k *keeper) (E, bool) {
	for _, e := range k.did {
		if x, ok := e.(E); ok {
			return x, true
		}
	}
	var none E
	return none, false
}

func (k *keeper) claims() int {
	n := 0
	for _, e := range k.did {
		if s, ok := e.(Send); ok {
			if _, ok := s.Msg.(Claim); ok {
				n++
			}
		}
	}
	return n
}

func TestKeepingNothingIsAskedForAndTheLastSaveIsTheEnd(t *testing.T) {
	k := newKeeper(t)
	k.step(0, StopRequested{Keep: true})
	if _, exits := ordered[Exit](k); exits || k.claims() > 0 {
		t.Fatalf("exits before its save, or claims: %v", k.did)
	}
	kept := k.save.Durable.Kept
	if len(kept) != 1 || kept[0].Name != "v1" || kept[0].Until <= k.now || kept[0].Until >= k.now.Add(600*time.Millisecond) {
		t.Fatalf("says at %s that it leaves up %v", k.now, kept)
	}
	for range 3 {
		k.step(100*time.Millisecond, Tick{})
		if k.claims() > 0 {
			t.Errorf("claims while it waits to leave: %v", k.did)
		}
	}
	k.step(time.Millisecond, StateSaved{k.save.Seq})
	exit, exits := ordered[Exit](k)
	if !exits || len(exit.Kept) != 1 || exit.Kept[0] != kept[0] {
		t.Errorf("after the save: %v, want an exit that keeps %v", k.did, kept)
	}
}

// What its own voter has only in memory is in the file before a node leaves: else the next life would keep from others what
// this one gave up.
func TestLeavingWritesWhatCouldWait(t *testing.T) {
	k := newKeeper(t)
	k.step(0, StopRequested{})
	k.step(time.Millisecond, AddressDown{Name: "v1"})
	release := Request{k.m.self.Start, k.m.counter}
	for _, voter := range []string{"b", "c"} {
		if _, exits := ordered[Exit](k); exits {
			t.Fatal("leaves before a majority knows")
		}
		k.step(saveWait/4, Received{voter, Ack{Voter: voter, Incarnation: k.m.peer(voter).incarnation, Request: release}})
	}
	if _, exits := ordered[Exit](k); !exits {
		t.Fatalf("does not leave: %v", k.did)
	}
	if !slices.ContainsFunc(k.save.Durable.Slots, func(s SlotRecord) bool { return s.Name == "v1" && s.Grant.Node == "" }) {
		t.Errorf("the file says: %+v", k.save.Durable.Slots)
	}
}

func TestKeepingEndsWithTheLeaseToo(t *testing.T) {
	k := newKeeper(t)
	k.step(0, StopRequested{Keep: true})
	k.step(time.Second, Tick{})
	if _, drops := ordered[DropAddress](k); !drops {
		t.Fatalf("its lease is over, its save is not: %v", k.did)
	}
	k.step(time.Millisecond, StateSaved{k.save.Seq})
	if exit, exits := ordered[Exit](k); !exits || len(exit.Kept) > 0 {
		t.Errorf("after the save: %v, want an exit that keeps nothing", k.did)
	}
}

func TestAKeepingThatCannotBeSavedIsAnEndAllTheSame(t *testing.T) {
	k := newKeeper(t)
	k.step(0, StopRequested{Keep: true})
	k.step(time.Millisecond, SaveFailed{Seq: k.save.Seq, Err: "no space left on device"})
	if exit, exits := ordered[Exit](k); !exits || len(exit.Kept) != 1 {
		t.Errorf("after the save failed: %v", k.did)
	}
}

func TestTheNextLifeForgetsWhatWasKept(t *testing.T) {
	k := newKeeper(t)
	k.step(0, StopRequested{Keep: true})
	d := k.save.Durable
	for _, c := range []struct {
		name  string
		after time.Duration
		drops bool
	}{
		{"in time", 10 * time.Millisecond, false},
		{"late", 600 * time.Millisecond, true},
	} {
		next := &keeper{t: t, m: New(k.m.cfg), now: k.now}
		next.step(c.after, Started{Boot: d.Boot, Entropy: 99, Durable: d, Valid: true, Present: []Name{"v1"}})
		if _, drops := ordered[DropAddress](next); drops != c.drops {
			t.Errorf("%s: drops what it finds: %t, want %t", c.name, drops, c.drops)
		}
		if next.save.Seq == 0 || len(next.save.Durable.Kept) > 0 {
			t.Errorf("%s: saves %v as kept", c.name, next.save.Durable.Kept)
		}
	}
}
