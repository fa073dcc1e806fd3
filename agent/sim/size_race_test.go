//go:build race

package sim

// schedules is how many bad days a test run tries: few under the race detector, which has nothing to find in
// code without goroutines.
const schedules = 20

// drillSeeds is in how many clusters each drill is held.
const drillSeeds = 3
