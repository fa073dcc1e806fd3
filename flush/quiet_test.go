package flush

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"memvip/flush/fake"
)

func TestUnusedInstanceIsQuietAfterExactlyTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := inMemory(t, fake.Options{})
		start := time.Now()
		figures, err := c.watchQuiet(t.Context(), QuietOptions{Unquiet: func(detail string) { t.Errorf("unquiet: %s", detail) }})
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("quiet after %v", waited)
		}
		if figures.PID == 0 {
			t.Errorf("got %+v", figures)
		}
	})
}

func TestEveryUseStartsTheTwoSecondsAnew(t *testing.T) {
	for _, command := range []string{"get a", "set a 0 0 1\r\nx\r\n", "touch a 0", "delete a"} {
		synctest.Test(t, func(t *testing.T) {
			server, c := inMemory(t, fake.Options{})
			const usedAfter = 1950 * time.Millisecond
			use := time.AfterFunc(usedAfter, func() { server.Do(command) })
			defer use.Stop()
			start := time.Now()
			var details []string
			figures, err := c.watchQuiet(t.Context(), QuietOptions{Unquiet: func(detail string) { details = append(details, detail) }})
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(start); waited < usedAfter+quietFor || waited > usedAfter+quietFor+quietPoll {
				t.Errorf("%s: quiet after %v", command, waited)
			}
			if len(details) != 1 {
				t.Errorf("%s: got details %q, want one", command, details)
			}
			if moved := mustInspect(t, c).Counters.movedSince(figures.Counters); moved != "" {
				t.Errorf("%s: the figures are not the last ones: %s", command, moved)
			}
		})
	}
}

func TestDetailSaysWhatMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{})
		server.Do("get a")
		use := time.AfterFunc(time.Second, func() { server.Do("get a b c") })
		defer use.Stop()
		var details []string
		if _, err := c.watchQuiet(t.Context(), QuietOptions{Unquiet: func(detail string) { details = append(details, detail) }}); err != nil {
			t.Fatal(err)
		}
		if want := "cmd_get went from 1 to 4, get_misses went from 1 to 4"; len(details) != 1 || details[0] != want {
			t.Errorf("got %q, want %q", details, want)
		}
	})
}

func TestNeverQuietEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		user := time.NewTicker(time.Second)
		defer user.Stop()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-user.C:
					server.Do("get a")
				case <-stop:
					return
				}
			}
		}()
		_, err := c.watchQuiet(ctx, QuietOptions{})
		wantReason(t, err, ReasonUnquiet)
	})
}

func TestWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := inMemory(t, fake.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := c.watchQuiet(ctx, QuietOptions{})
		wantReason(t, err, ReasonStopped)

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.watchQuiet(ctx, QuietOptions{})
		wantReason(t, err, ReasonTimeout)
	})
}

func TestHangWhileWatchingIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{})
		hang := time.AfterFunc(time.Second, server.Hang)
		defer hang.Stop()
		start := time.Now()
		_, err := c.watchQuiet(t.Context(), QuietOptions{})
		wantReason(t, err, ReasonTimeout)
		if waited := time.Since(start); waited > time.Second+quietPoll+defaultLimits.command {
			t.Errorf("told after %v", waited)
		}
	})
}

func TestEndOfProcessWhileWatchingIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, c := inMemory(t, fake.Options{})
		restart := time.AfterFunc(time.Second, server.Restart)
		defer restart.Stop()
		_, err := c.watchQuiet(t.Context(), QuietOptions{})
		wantReason(t, err, ReasonUnreachable)
	})
}

func TestMovedSince(t *testing.T) {
	var earlier, later Counters
	if got := later.movedSince(earlier); got != "" {
		t.Errorf("got %q for equal ones", got)
	}
	earlier[CmdGet], later[CmdGet] = 10, 42
	if got, want := later.movedSince(earlier), "cmd_get went from 10 to 42"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for i := range later {
		later[i], earlier[i] = 0, 1 // As after stats reset.
	}
	if got, want := later.movedSince(earlier), "cmd_get went from 1 to 0, cmd_set went from 1 to 0, cmd_touch went from 1 to 0, 15 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
