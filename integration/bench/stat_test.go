package main

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSummarize(t *testing.T) {
	upTo := func(n int) []millis {
		var v []millis
		for i := n; i >= 1; i-- { // the largest first: the order must not matter
			v = append(v, millis(i))
		}
		return v
	}
	tests := []struct {
		name   string
		values []millis
		want   summary
	}{
		{"none", nil, summary{}},
		{"one", []millis{7}, summary{N: 1, Median: 7, P95: 7, Max: 7}},
		{"two: the mean of the middle", []millis{4, 1}, summary{N: 2, Median: 2.5, P95: 4, Max: 4}},
		{"ten: p95 is the maximum", upTo(10), summary{N: 10, Median: 5.5, P95: 10, Max: 10}},
		{"nineteen: still", upTo(19), summary{N: 19, Median: 10, P95: 19, Max: 19}},
		{"twenty: the second largest", upTo(20), summary{N: 20, Median: 10.5, P95: 19, Max: 20}},
		{"hundred", upTo(100), summary{N: 100, Median: 50.5, P95: 95, Max: 100}},
		{"zeros count", []millis{0, 0, 0, 9}, summary{N: 4, P95: 9, Max: 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.values)
			if got := summarize(tt.values); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if !slices.Equal(before, tt.values) {
				t.Error("the values were changed")
			}
		})
	}
}

// The nearest rank, by its definition: the smallest value that at least the share p of all do not exceed.
func TestNearestRankAgainstItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		values := make([]millis, 1+r.IntN(60))
		for i := range values {
			values[i] = millis(r.IntN(20))
		}
		want := slices.Max(values)
		for _, candidate := range values {
			within := 0
			for _, v := range values {
				if v <= candidate {
					within++
				}
			}
			if within*100 >= 95*len(values) {
				want = min(want, candidate)
			}
		}
		if got := summarize(values).P95; got != want {
			t.Fatalf("p95 of %v is %v, want %v", values, got, want)
		}
	}
}
