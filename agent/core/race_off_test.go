//go:build !race

package core

// randomSeeds is how many bad days are tried.
const randomSeeds = 80
