package nowait

import (
	"runtime"
	"testing"
	"time"
)

const (
	soon  = 5 * time.Millisecond
	never = time.Hour
)

func TestTimer(t *testing.T) {
	for name, timer := range map[string]*Timer{"kernel": NewTimer(), "runtime": PlainTimer()} {
		t.Run(name, func(t *testing.T) {
			if of := timer.plain == nil; of != (name == "kernel") {
				t.Errorf("of the kernel: %t", of)
			}
			await := func(at time.Duration) {
				t.Helper()
				begun := Boottime()
				timer.Reset(at)
				select {
				case <-timer.C:
				case <-time.After(30 * time.Second):
					t.Fatalf("set to %s, it never came", at)
				}
				if took := Boottime() - begun; took < at {
					t.Errorf("set to %s, it came after %s", at, took)
				}
			}
			for _, at := range []time.Duration{soon, 0, -soon, soon} {
				await(at)
			}
			timer.Reset(never)
			await(soon) // sooner than it was set to
			timer.Reset(0)
			timer.Stop()
		})
	}
}

// A time that has come, and that nobody waited for, is not taken for the next one.
func TestTimerForgets(t *testing.T) {
	timer := NewTimer()
	defer timer.Stop()
	timer.Reset(0)
	for len(timer.C) == 0 {
		runtime.Gosched()
	}
	timer.Reset(never)
	select {
	case <-timer.C:
		t.Error("it came at once")
	default:
	}
}

func BenchmarkTimer(b *testing.B) {
	timer := NewTimer()
	defer timer.Stop()
	b.ReportAllocs()
	for b.Loop() {
		timer.Reset(0)
		<-timer.C
	}
}
