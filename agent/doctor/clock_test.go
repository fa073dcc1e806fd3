package doctor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// peerClock is a clock of another rate, asked over a link of a given delay each way.
type peerClock struct {
	rate        float64
	back, forth time.Duration
	jumps       time.Duration // between the questions
	fails       bool
	asked       int
}

func (p *peerClock) ask(ctx context.Context, start time.Time) (time.Duration, error) {
	if p.asked++; p.fails && p.asked > 1 {
		return 0, errors.New("no answer")
	}
	if err := pause(ctx, p.forth); err != nil {
		return 0, err
	}
	read := time.Hour + time.Duration(float64(time.Since(start))*p.rate) + time.Duration(p.asked-1)*p.jumps
	return read, pause(ctx, p.back)
}

func TestClockRates(t *testing.T) {
	const rtt = time.Millisecond / 2
	for _, c := range []struct {
		name  string
		clock peerClock
		bound float64
		want  want
	}{
		{"alike", peerClock{rate: 1, back: rtt, forth: rtt}, 0.01, want{CheckClockRate, OK, "within 1 %"}},
		{"a quartz's difference", peerClock{rate: 1.0001, back: rtt, forth: rtt}, 0.01, want{CheckClockRate, OK, "+0.01 %"}},
		{"too fast", peerClock{rate: 1.02, back: rtt, forth: rtt}, 0.01, want{CheckClockRate, Failure, "+2.00 %"}},
		{"too slow", peerClock{rate: 0.98, back: rtt, forth: rtt}, 0.01, want{CheckClockRate, Failure, "-2.00 %"}},
		{"at the bound", peerClock{rate: 1.01, back: rtt, forth: rtt}, 0.01, want{CheckClockRate, Warning, "+1.0"}},
		{"stood still", peerClock{rate: 1, back: rtt, forth: rtt, jumps: -900 * time.Millisecond}, 0.01, want{CheckClockRate, Failure, "-89.91 %"}},
		{"restarted", peerClock{rate: 1, jumps: -time.Hour}, 0.01, want{CheckClockRate, Unknown, "restarted"}},
		{"round trips too long", peerClock{rate: 1, back: 20 * time.Millisecond, forth: 20 * time.Millisecond}, 0.01, want{CheckClockRate, Unknown, "too roughly"}},
		{"long, but far beyond", peerClock{rate: 1.5, back: 20 * time.Millisecond, forth: 20 * time.Millisecond}, 0.01, want{CheckClockRate, Failure, "peer"}},
		{"all of it on one way", peerClock{rate: 1, forth: 2 * rtt}, 0.01, want{CheckClockRate, OK, "within"}},
		{"mute", peerClock{rate: 1, fails: true}, 0.01, want{CheckClockRate, Unknown, "no answer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				clocks := Clocks{
					Now:   func() time.Duration { return time.Since(start) },
					Ask:   func(ctx context.Context, _ string) (time.Duration, error) { return c.clock.ask(ctx, start) },
					Bound: c.bound, Span: time.Second,
				}
				wantOnly(t, ClockRates(t.Context(), clocks, []string{"peer"}), c.want)
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// Many are asked at once, and an end of the context ends them all.
func TestClockRatesStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		clocks := Clocks{
			Ask:   func(context.Context, string) (time.Duration, error) { return 0, nil },
			Bound: 0.01, Span: time.Minute,
		}
		for _, f := range ClockRates(ctx, clocks, []string{"b", "c"}) {
			wantOnly(t, []Finding{f}, want{CheckClockRate, Unknown, "deadline"})
		}
	})
}

// This host's clock goes on.
func TestBoottime(t *testing.T) {
	if a, b := Boottime(), Boottime(); a <= 0 || b < a {
		t.Errorf("read %s, then %s", a, b)
	}
}
