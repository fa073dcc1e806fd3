package main

import (
	"math"
	"slices"
)

// summary describes the values of one column over the runs of a fault.
type summary struct {
	N      int    `json:"n"`
	Median millis `json:"median"` // of an even number: the mean of the middle two
	P95    millis `json:"p95"`    // nearest rank, so below 20 values it is the maximum
	Max    millis `json:"max"`
}

// summarize does not change values. The summary of none has N = 0.
func summarize(values []millis) summary {
	n := len(values)
	if n == 0 {
		return summary{}
	}
	v := slices.Sorted(slices.Values(values))
	return summary{N: n, Median: (v[(n-1)/2] + v[n/2]) / 2, P95: v[nearestRank(n, 0.95)], Max: v[n-1]}
}

// nearestRank is the index of the p quantile among n sorted values: the smallest that at least the share p of them
// do not exceed.
func nearestRank(n int, p float64) int {
	return max(0, int(math.Ceil(p*float64(n)))-1)
}
