package history

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		name  string
		lists [][]Entry
		want  []string
	}{
		{name: "nothing"},
		{
			"by time where nothing else is known",
			[][]Entry{{entry("a", 1, "", 0, 1), entry("a", 2, "", 0, 4)}, {entry("b", 1, "", 0, 2), entry("b", 2, "", 0, 3)}},
			[]string{"a1", "b1", "b2", "a2"},
		},
		{
			"one instant: by node",
			[][]Entry{{entry("b", 1, "", 0, 1)}, {entry("a", 1, "", 0, 1)}},
			[]string{"a1", "b1"},
		},
		{
			"a clock that was set back does not turn a node's order round",
			[][]Entry{{entry("a", 1, "", 0, 100), entry("a", 2, "", 0, 10)}, {entry("b", 1, "", 0, 50)}},
			[]string{"b1", "a1", "a2"},
		},
		{
			"a clock minutes ahead does not break the order of epochs",
			[][]Entry{{entry("a", 1, "v", 1, 600), entry("a", 2, "v", 1, 610)}, {entry("b", 1, "v", 2, 20), entry("b", 2, "w", 5, 30)}},
			[]string{"a1", "a2", "b1", "b2"},
		},
		{
			"nor does one that is behind",
			[][]Entry{{entry("a", 1, "v", 1, 600)}, {entry("b", 1, "v", 2, 20)}, {entry("c", 1, "v", 3, 10), entry("c", 2, "", 0, 11)}},
			[]string{"a1", "b1", "c1", "c2"},
		},
		{
			"epochs of two VIPs have nothing to do with each other",
			[][]Entry{{entry("a", 1, "v", 9, 1)}, {entry("b", 1, "w", 1, 2)}},
			[]string{"a1", "b1"},
		},
		{
			"without an epoch an entry waits for none",
			[][]Entry{{entry("a", 1, "v", 1, 10)}, {entry("b", 1, "v", 0, 5)}},
			[]string{"b1", "a1"},
		},
		{
			"epochs that began anew: a node's order holds, and what is outside the circle keeps its place",
			[][]Entry{
				{entry("a", 1, "v", 50, 10), entry("a", 2, "v", 1, 30)},
				{entry("b", 1, "v", 49, 5), entry("b", 2, "v", 2, 40)},
				{entry("c", 1, "", 0, 7), entry("c", 2, "v", 60, 1), entry("c", 3, "", 0, 99)},
			},
			// b2 comes before the epochs 49 and 50, and after b1, which is one of them.
			[]string{"b1", "c1", "a1", "a2", "b2", "c2", "c3"},
		},
		{
			"an address that would not go: its node tells of the end when it has long taken another",
			[][]Entry{
				{entry("a", 1, "v", 7, 1), entry("a", 2, "w", 5, 30), entry("a", 3, "v", 7, 40)},
				{entry("b", 1, "v", 8, 10), entry("b", 2, "w", 4, 20)},
			},
			[]string{"a1", "b1", "b2", "a2", "a3"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, names(Merge(c.lists...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMergeAnyEntries merges timelines in which anything may stand, circles included, and compares with what the
// rules say word for word.
func TestMergeAnyEntries(t *testing.T) {
	circles := 0
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 1))
		entries := anyEntries(random, 2+random.IntN(14))
		merged := Merge(split(random, entries)...)
		reaches := reachability(merged)
		for i, a := range merged {
			for j, b := range merged[:i] { // b came first
				if a.Node == b.Node && a.Seq < b.Seq {
					t.Fatalf("seed %d: order of node %s: %v", seed, a.Node, names(merged))
				}
				if reaches[i][j] && !reaches[j][i] {
					t.Fatalf("seed %d: %v after %v: %v", seed, a, b, names(merged))
				}
				if i != j && reaches[i][j] && reaches[j][i] {
					circles++
				}
			}
			if i > 0 && a.Time.Before(merged[i-1].Time) && !reaches[i-1][i] {
				t.Fatalf("seed %d: time runs backwards for no reason, at %d: %v", seed, i, names(merged))
			}
		}
		checkStable(t, seed, random, entries, merged)
	}
	if circles == 0 {
		t.Error("no circle among all of them")
	}
}

// TestMergeRealHistories merges what nodes with wrong clocks wrote of a history that did happen.
func TestMergeRealHistories(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 2))
		entries := realHistory(random)
		merged := Merge(split(random, entries)...)
		newest, last := map[string]uint64{}, map[string]uint64{}
		for _, e := range merged {
			if e.Epoch != 0 {
				if e.Epoch < newest[e.VIP] {
					t.Fatalf("seed %d: epoch %d of %s after %d: %v", seed, e.Epoch, e.VIP, newest[e.VIP], names(merged))
				}
				newest[e.VIP] = e.Epoch
			}
			if e.Seq != last[e.Node]+1 {
				t.Fatalf("seed %d: %s%d after %d: %v", seed, e.Node, e.Seq, last[e.Node], names(merged))
			}
			last[e.Node] = e.Seq
		}
		checkStable(t, seed, random, entries, merged)
	}
}

// checkStable demands that a merged list has the entries it was made of, and that nothing but these matters.
func checkStable(t *testing.T, seed uint64, random *rand.Rand, entries, merged []Entry) {
	t.Helper()
	sorted := func(list []Entry) []Entry { return slices.SortedFunc(slices.Values(list), compare) }
	for what, lists := range map[string][2][]Entry{
		"no permutation": {sorted(entries), sorted(merged)},
		"merged again":   {merged, Merge(merged)},
		"other lists":    {merged, Merge(split(random, entries)...)},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Fatalf("seed %d: %s: %s", seed, what, cmp.Diff(lists[0], lists[1]))
		}
	}
}

func anyEntries(random *rand.Rand, n int) []Entry {
	var out []Entry
	for range n {
		node := string(rune('a' + random.IntN(4)))
		vip, epoch := "", uint64(0)
		if random.IntN(4) > 0 {
			vip, epoch = []string{"v", "w"}[random.IntN(2)], random.Uint64N(4)
		}
		out = append(out, entry(node, 1+random.Uint64N(8), vip, epoch, random.IntN(10)))
	}
	return out
}

// realHistory lets VIPs change hands, each with a higher epoch, on nodes whose clocks are up to ten minutes off.
func realHistory(random *rand.Rand) []Entry {
	nodes, vips := []string{"a", "b", "c", "d"}, []string{"v", "w", "x"}
	wrong, seq := map[string]int{}, map[string]uint64{}
	for _, n := range nodes {
		wrong[n] = random.IntN(1200) - 600
	}
	epochs := map[string]uint64{}
	var out []Entry
	for second := range 100 {
		node, vip, epoch := nodes[random.IntN(len(nodes))], vips[random.IntN(len(vips))], uint64(0)
		switch random.IntN(3) {
		case 0: // a new holder
			epochs[vip] += 1 + random.Uint64N(3)
			epoch = epochs[vip]
		case 1: // more of the present one
			epoch = epochs[vip]
		}
		seq[node]++
		out = append(out, entry(node, seq[node], vip, epoch, second+wrong[node]))
	}
	return out
}

// split spreads entries over some lists, in any order.
func split(random *rand.Rand, entries []Entry) [][]Entry {
	lists := make([][]Entry, 1+random.IntN(4))
	for _, i := range random.Perm(len(entries)) {
		to := random.IntN(len(lists))
		lists[to] = append(lists[to], entries[i])
	}
	return lists
}

// reachability says for each two entries whether rules 1 and 2 want the first before the second, also by
// way of others.
func reachability(entries []Entry) [][]bool {
	reaches := make([][]bool, len(entries))
	for i, a := range entries {
		reaches[i] = make([]bool, len(entries))
		for j, b := range entries {
			sameNode := a.Node == b.Node && compare(a, b) < 0
			sameVIP := a.VIP != "" && a.VIP == b.VIP && a.Epoch != 0 && a.Epoch < b.Epoch
			reaches[i][j] = sameNode || sameVIP
		}
	}
	for k := range entries {
		for i := range entries {
			for j := range entries {
				reaches[i][j] = reaches[i][j] || reaches[i][k] && reaches[k][j]
			}
		}
	}
	return reaches
}
