//go:build race

package core

// randomSeeds is how many bad days are tried: few under the race detector, which is ten times slower and
// has nothing to find in code without goroutines.
const randomSeeds = 10
