//go:build !race

package sim

// schedules is how many bad days a test run tries.
const schedules = 1000

// drillSeeds is in how many clusters each drill is held.
const drillSeeds = 60
