package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// play lets one answer or failure a millisecond happen while a wait is on, and returns the wait's error.
func play(t *testing.T, limit time.Duration, happen func(r *Record, n int), wait func(context.Context, *Record) error) (r *Record, took time.Duration, err error) {
	t.Helper()
	r = recordOf([]said{{"a", 0, 0}})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	stop := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-tick.C:
				happen(r, n)
				r.settle(Now())
			case <-stop:
				return
			}
		}
	}()
	start := time.Now()
	err = wait(ctx, r)
	took = time.Since(start)
	close(stop)
	synctest.Wait()
	return r, took, err
}

func by(host string) func(*Record, int) {
	return func(r *Record, _ int) { answerNow(r, host) }
}

func answerNow(r *Record, host string) {
	server := r.server(Server{Host: host, PID: 1})
	r.answered(0, Answer{Sent: Now(), At: Now(), server: server}, commandSet, verdictCurrent)
}

func TestWaits(t *testing.T) {
	tests := []struct {
		name   string
		happen func(*Record, int)
		wait   func(context.Context, *Record) error
		after  time.Duration // 0 for: never
		says   string        // part of the error
	}{
		{
			name:   "served by the new host, once it is",
			happen: func(r *Record, n int) { answerNow(r, map[bool]string{true: "b", false: "a"}[n >= 50]) },
			wait:   func(ctx context.Context, r *Record) error { return r.WaitServed(ctx, testVIP, "b") },
			after:  50 * time.Millisecond,
		},
		{
			name:   "served by the wrong host",
			happen: by("a"),
			wait:   func(ctx context.Context, r *Record) error { return r.WaitServed(ctx, testVIP, "b") },
			says:   "want 10.77.0.101 served by b: not in time; 10.77.0.101: last answer by a",
		},
		{
			name:   "moved, once another host answers",
			happen: func(r *Record, n int) { answerNow(r, map[bool]string{true: "b", false: "a"}[n >= 50]) },
			wait: func(ctx context.Context, r *Record) error {
				to, err := r.WaitMoved(ctx, testVIP, "a")
				if err == nil && to != "b" {
					return fmt.Errorf("moved to %q", to)
				}
				return err
			},
			after: 50 * time.Millisecond,
		},
		{
			name:   "not moved",
			happen: by("a"),
			wait: func(ctx context.Context, r *Record) error {
				_, err := r.WaitMoved(ctx, testVIP, "a")
				return err
			},
			says: "want 10.77.0.101 served by another host than a: not in time; 10.77.0.101: last answer by a",
		},
		{
			name: "quiet after the last failure",
			happen: func(r *Record, n int) {
				answerNow(r, "a")
				if n <= 30 {
					r.failed(0, Failed{At: Now()})
				}
			},
			wait:  func(ctx context.Context, r *Record) error { return r.WaitQuiet(ctx, 100*time.Millisecond) },
			after: 130 * time.Millisecond,
		},
		{
			name:   "never quiet while the host changes",
			happen: func(r *Record, n int) { answerNow(r, map[bool]string{true: "b", false: "a"}[n/50%2 == 0]) },
			wait:   func(ctx context.Context, r *Record) error { return r.WaitQuiet(ctx, 100*time.Millisecond) },
			says:   "want nothing happening for 100ms: not in time",
		},
		{
			name: "silent after the last answer",
			happen: func(r *Record, n int) {
				if n <= 20 {
					answerNow(r, "a")
				}
			},
			wait:  func(ctx context.Context, r *Record) error { return r.WaitNotServed(ctx, testVIP, 200*time.Millisecond) },
			after: 220 * time.Millisecond,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				real := epoch
				defer func() { epoch = real }()
				epoch = time.Now()
				r, took, err := play(t, 10*time.Second, tt.happen, tt.wait)
				if tt.after > 0 && (err != nil || took < tt.after || took > tt.after+2*time.Millisecond) {
					t.Errorf("%v after %v, want none after %v", err, took, tt.after)
				}
				if tt.says != "" && (!errors.Is(err, ErrNotInTime) || !strings.Contains(err.Error(), tt.says)) {
					t.Errorf("error %v, want one that says %q", err, tt.says)
				}
				if len(r.waiters) != 0 {
					t.Errorf("%d waiters are left", len(r.waiters))
				}
			})
		})
	}
}
