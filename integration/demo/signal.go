package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// impatience is how long after the first signal another one means "at once". Without root a
// terminal's Ctrl-C arrives twice; see lab.Enter.
const impatience = time.Second

// signalError is why a demo ended before its time.
type signalError struct{ signal unix.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// exitCode is what a shell makes of a process that the signal ended.
func (e *signalError) exitCode() int { return 128 + int(e.signal) }

// interruption is the signal that ended the context, or nil.
func interruption(ctx context.Context) *signalError {
	e, _ := errors.AsType[*signalError](context.Cause(ctx))
	return e
}

// untilSignal returns a context that ends with the first SIGINT, SIGTERM or SIGHUP; its cause is a *signalError. All
// is then ended in order. A later signal ends the process on the spot, and the kernel all that belongs to it.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		first := &signalError{(<-signals).(unix.Signal)}
		cancel(first)
		asked := time.Now()
		for range signals {
			if time.Since(asked) >= impatience {
				fmt.Fprintln(os.Stderr, "demo: ended at once")
				os.Exit(first.exitCode())
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
