package sim

import "memvip/agent/core"

// clock is one host's CLOCK_BOOTTIME: it began at some time and runs at a rate of its own.
type clock struct {
	base int64 // reads at the world's beginning
	ppm  int64 // runs faster than real time by this many parts per million
}

// read returns what the clock shows at an instant of real time.
func (c clock) read(now int64) core.Instant { return core.Instant(c.base + now + now/1000*c.ppm/1000) }

// when returns an instant of real time, within a few nanoseconds the first, at which the clock shows at
// least at.
func (c clock) when(at core.Instant) int64 {
	now := int64(float64(int64(at)-c.base)/(1+float64(c.ppm)/1e6)) - us
	for c.read(now) < at {
		now += int64(at - c.read(now))
	}
	return now
}
