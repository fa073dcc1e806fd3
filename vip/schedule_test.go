package vip

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	// The dumb version: the moments of the announcements of the first five minutes, written down.
	moments := []time.Duration{
		0, 1100 * time.Millisecond, 2200 * time.Millisecond, 3300 * time.Millisecond, 4400 * time.Millisecond,
		5500 * time.Millisecond, 65500 * time.Millisecond, 125500 * time.Millisecond, 185500 * time.Millisecond,
		245500 * time.Millisecond,
	}
	var at time.Duration
	for n, want := range moments {
		if at += Schedule(n); at != want {
			t.Errorf("announcement %d at %s, want %s", n, at, want)
		}
	}
	if Schedule(-1) != 0 || Schedule(1<<40) != refreshPause {
		t.Errorf("ends: %s, %s", Schedule(-1), Schedule(1<<40))
	}
}

func TestSchedulePausesAreNoticed(t *testing.T) {
	const locktime = time.Second // Linux keeps a neighbour entry unchanged for this long
	for n := 1; n < 100; n++ {
		if Schedule(n) <= locktime {
			t.Errorf("announcement %d comes %s after the one before it", n, Schedule(n))
		}
	}
}

func TestHeldAddressFollowsTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{kernel: newFakeKernel()}
		m := w.open(t)
		begun := time.Now()
		take(t, m, service)
		const bursts, framesEach = 8, 2
		waitUntil(begun.Add(3*time.Minute), func() {
			if _, err := m.Prolong(service); err != nil {
				t.Fatal(err)
			}
		})
		list := w.heardOf(service.Prefix.Addr())
		if len(list) != bursts*framesEach {
			t.Fatalf("heard %d frames in three minutes, want %d", len(list), bursts*framesEach)
		}
		var due time.Duration
		for n := range bursts {
			due += Schedule(n)
			if at := list[framesEach*n].at.Sub(begun); at != due {
				t.Errorf("burst %d at %s, want %s", n, at, due)
			}
		}
	})
}

// waitUntil calls each a few times a second until the moment has come.
func waitUntil(moment time.Time, each func()) {
	ticker := time.NewTicker(150 * time.Millisecond)
	defer ticker.Stop()
	for now := range ticker.C {
		if now.After(moment) {
			return
		}
		each()
	}
}

func TestAnnounceBeginsTheScheduleAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{kernel: newFakeKernel()}
		m := w.open(t)
		take(t, m, service)
		waitUntil(time.Now().Add(20*time.Second), func() {})
		before := len(w.heardOf(service.Prefix.Addr()))
		begun := time.Now()
		if err := m.Announce(service); err != nil {
			t.Fatal(err)
		}
		waitUntil(time.Now().Add(2*burstPause), func() {})
		list := w.heardOf(service.Prefix.Addr())[before:]
		if len(list) < 4 || !list[0].at.Equal(begun) || list[2].at.Sub(begun) != burstPause {
			t.Errorf("heard %d frames: %v", len(list), list)
		}
	})
}
