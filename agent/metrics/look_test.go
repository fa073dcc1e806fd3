package metrics

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A loop that stands still is waited for once and not for long; what was known before is told with its age.
func TestLoopStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stands, asked := false, 0
		l := &looker{ctx: t.Context(), at: time.Now(), look: func(ctx context.Context) (Look, error) {
			asked++
			if stands {
				<-ctx.Done()
				return Look{}, ctx.Err()
			}
			return Look{}, nil
		}}
		see := func(want, took time.Duration, there bool) {
			t.Helper()
			begun := time.Now()
			look, age := l.newest()
			if (look != nil) != there || age != want || time.Since(begun) != took {
				t.Errorf("a look: %t, %s old, after %s; want %t, %s, after %s", look != nil, age, time.Since(begun), there, want, took)
			}
		}
		pass := func(d time.Duration) { <-time.After(d) }
		stands = true
		see(lookPatience, lookPatience, false)
		stands = false
		pass(lookEvery)
		see(0, 0, true)
		pass(lookEvery / 2)
		see(lookEvery/2, 0, true) // the one before will do
		if asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
		pass(lookEvery)
		stands = true
		see(lookEvery*3/2+lookPatience, lookPatience, true)
		see(lookEvery*3/2+lookPatience, 0, true) // not waited for again at once
		pass(lookAgeMax)
		see(lookAgeMax+lookEvery*3/2+2*lookPatience, lookPatience, false) // too old to be told
		stands = false
		pass(lookEvery)
		see(0, 0, true)
	})
}
