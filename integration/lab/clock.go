package lab

import "time"

// Instant is a moment on the lab's clock: the time since the process started, monotonic, so that a
// step of the wall clock cannot bend a measurement.
type Instant time.Duration

var epoch = time.Now()

// Now reads the lab's clock.
func Now() Instant { return Instant(time.Since(epoch)) }

// Sub returns how long after o the instant i is.
func (i Instant) Sub(o Instant) time.Duration { return time.Duration(i - o) }

// Add returns the instant d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// String shows the instant as the time since the process started.
func (i Instant) String() string { return time.Duration(i).Round(10 * time.Microsecond).String() }
