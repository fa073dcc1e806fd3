package sim

import (
	"math/rand/v2"
	"time"
)

// themes are kinds that do most harm together.
var themes = [][]Kind{
	{RestartAgent, RestartMany, KillAgent, Replay, HoldPackets, Split, Isolate, StallAgent}, // old packets meet voters that restarted
	{KeepRestart, KeepLeave, UpgradeMany, TrapKill, HoldPackets, Split, Drain, StallAgent},  // lives that go on where the last left off
	{KillLost, LoseMany, Crash, Isolate, Split, HoldPackets, FreezeAgent, Drain},            // voters that forgot
	{TrapKill, TrapFreeze, Drain, ExitMemcached, RestartMemcached, Split},                   // the worst instant
	{StickWorker, HangMemcached, Drain, StopAgent, SlowMemcached, OwnAddress},               // writes that wait
	{RestartMemcached, RestartKept, HangMemcached, ExitMemcached, Drain, Isolate},           // caches that come and go
	{Split, Isolate, CutPair, CutOneWay, Lossy, PullCable},                                  // the network alone
	{ChangeVoters, ReplaceVoter, ChangeLease, Split, Isolate, RestartAgent, CloneHost},      // operators
	{CloneHost, Isolate, FreezeAgent, Drain, Split, CutPair},                                // a copied host
	{DiskFull, DiskSlow, RefuseAddress, RemoveAddress, TrapKill, Drain, Split, RefuseFlush}, // kernel and disk
	{ForeignHost, ExitMemcached, HangMemcached, Crash, Split, RestartAgent, Drain},          // hosts that are no members
}

// day is what kind of a bad day it is.
type day struct {
	weights [kinds]int
	number  int
	dense   bool // many short faults on a small cluster
}

// drawDay picks an ordinary day, one with a liking for a few kinds, or one with a theme.
func drawDay(r *rand.Rand) day {
	d := day{weights: weights, number: 5 + r.IntN(30)}
	switch r.IntN(3) {
	case 0:
		for range 4 {
			d.weights[r.IntN(int(kinds))] *= 8
		}
	case 1:
		d.weights = [kinds]int{Lossy: 1} // one that is always allowed
		for _, k := range themes[r.IntN(len(themes))] {
			d.weights[k] += weights[k]
		}
		d.number *= 2
		if d.dense = r.IntN(2) == 0; d.dense {
			d.number *= 2
		}
	}
	return d
}

// acts draws what happens when.
func (d day) acts(r *rand.Rand, s Shape, from, to time.Duration) []Act {
	ws := d.weights
	for k := range kinds {
		if !k.allowed(s) {
			ws[k] = 0
		}
	}
	if ws == [kinds]int{} {
		ws[Lossy] = 1
	}
	var acts []Act
	for range d.number {
		a := Act{At: from + time.Duration(r.Int64N(int64(to-from))), Kind: Kind(pick(r, ws[:]...)), A: r.IntN(1 << 20), B: r.IntN(1 << 20)}
		a.For = drawLength(r, s)
		if d.dense {
			a.For = min(a.For, 2*s.Lease+time.Duration(r.Int64N(int64(time.Second))))
		}
		if a.Kind == StallAgent {
			a.For = time.Duration(r.Int64N(int64(s.Lease)))
		}
		acts = append(acts, a)
	}
	return acts
}

// drawLength picks how long something lasts: shorter than a lease, about a lease, or much longer.
func drawLength(r *rand.Rand, s Shape) time.Duration {
	switch r.IntN(3) {
	case 0:
		return time.Duration(r.Int64N(int64(s.Lease)))
	case 1:
		return s.Lease + time.Duration(r.Int64N(int64(2*s.Lease)))
	default:
		return time.Second + time.Duration(r.Int64N(int64(12*time.Second)))
	}
}
