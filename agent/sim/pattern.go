package sim

import (
	"math/rand/v2"
	"time"
)

// A pattern is a row of acts that belong together, at times that are drawn: the traces of the protocol
// review that take more luck than random days have. Three hosts play a, b and c.
type pattern func(r *rand.Rand, lease time.Duration, a, b, c int) []Act

// around draws a time near one.
func around(r *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(r.Int64N(int64(d)))
}

// patterns begin at time zero.
var patterns = []pattern{
	// F1: a holds by itself and b, c hears only b. A release of a's is on its way to b when b restarts.
	func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: CutPair, A: a, B: c, For: 8 * lease},
			{At: around(r, lease), Kind: HoldPackets, A: a, B: releasePacket.to(b), For: 5 * lease},
			{At: around(r, 2*lease), Kind: StallAgent, A: a, For: around(r, lease)},
			{At: around(r, 3*lease), Kind: RestartAgent, A: b},
			{At: around(r, 4*lease), Kind: RestartAgent, A: b},
		}
	},
	// F2: a claims, and b's answer comes after a has given up, when c has won.
	func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: CutPair, A: a, B: c, For: 8 * lease},
			{At: lease, Kind: TrapHold, A: a, B: int(whenClaiming), For: around(r, lease/2)},
			{At: lease + around(r, lease/4), Kind: Drain, A: b, For: around(r, 3*lease)},
			{At: lease + around(r, lease/4), Kind: ExitMemcached, A: c, B: r.IntN(2), For: around(r, lease/2)},
		}
	},
	// F8: a serves by itself and b; b forgets; c serves by b and itself, dies; a's old claim arrives.
	func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: CutPair, A: a, B: c, For: 20 * time.Second},
			{At: lease, Kind: HoldPackets, A: a, B: int(claimPacket), For: 8*time.Second + around(r, 2*time.Second)},
			{At: lease + around(r, lease), Kind: FreezeAgent, A: a, For: 2*lease + around(r, lease)},
			{At: 3 * lease, Kind: KillLost, A: b, For: around(r, lease)},
			{At: 8*time.Second + around(r, 2*time.Second), Kind: KillAgent, A: c, For: 5 * time.Second},
		}
	},
	// F9: a is killed at the worst instant while it takes a VIP, others serve it, a comes back.
	func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: TrapKill, A: a, B: r.IntN(int(moments)), For: 2*lease + around(r, lease)},
			{At: time.Millisecond, Kind: Drain, A: b, B: 0, For: around(r, 4*time.Second)},
			{At: 2 * time.Millisecond, Kind: Drain, A: c, B: 0, For: around(r, lease)},
			{At: 5 * time.Second, Kind: Drain, A: c, B: 0, For: around(r, 3*time.Second)},
		}
	},
	// F11: a worker of a's memcached stands still with writes that it has received, while a gives its VIPs away,
	// flushes and gets them back.
	func(r *rand.Rand, lease time.Duration, a, b, _ int) []Act {
		return []Act{
			{Kind: StickWorker, A: a, B: b, For: 4*time.Second + around(r, 4*time.Second)},
			{At: around(r, 400*time.Millisecond), Kind: Drain, A: a, For: around(r, 2*time.Second)},
		}
	},
	// F12: an agent is frozen between reading its clock and writing the fence.
	func(r *rand.Rand, lease time.Duration, a, b, _ int) []Act {
		return []Act{
			{Kind: TrapFreeze, A: a, B: int(whenProlonging), For: lease + around(r, lease)},
			{At: around(r, 4*lease), Kind: TrapFreeze, A: b, B: int(whenProlonging), For: lease + around(r, lease)},
		}
	},
	// F13, and changes of the list with stragglers.
	func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: [...]Kind{ReplaceVoter, ChangeVoters}[r.IntN(2)], A: a, B: c},
			{At: 6*time.Second + around(r, 3*time.Second), Kind: Split, A: a, B: r.IntN(8), For: 3 * lease},
			{At: 9*time.Second + around(r, 3*time.Second), Kind: Isolate, A: b, For: 3 * lease},
		}
	},
	// A host that is no member takes the address of a VIP while nobody can serve it.
	func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		v := r.IntN(2)
		acts := []Act{{At: around(r, lease), Kind: ForeignHost, B: v, For: 6*lease + around(r, 6*time.Second)}}
		for _, h := range []int{a, b, c} {
			acts = append(acts, Act{At: around(r, lease), Kind: ExitMemcached, A: h, B: v, For: 4*lease + around(r, 2*lease)})
		}
		return acts
	},
	// F6: a host with another's name joins, both claim.
	func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: CloneHost, A: a, For: 14 * time.Second},
			{At: 3 * time.Second, Kind: Drain, A: b, For: 9 * time.Second},
			{At: 3*time.Second + around(r, time.Second), Kind: Drain, A: c, For: 9 * time.Second},
			{At: 5*time.Second + around(r, 5*time.Second), Kind: ExitMemcached, A: a, For: around(r, 2*time.Second)},
		}
	},
}

// drawPatterns repeats one pattern over a day, with the hosts' parts drawn anew each time.
func drawPatterns(r *rand.Rand, s Shape, from, to time.Duration) []Act {
	p := patterns[r.IntN(len(patterns))]
	var acts []Act
	for at := from; at < to; {
		part := r.Perm(s.hosts())
		last := at
		for _, a := range p(r, s.Lease, part[0], part[1], part[2]) {
			a.At += at
			if a.At < to && a.Kind.allowed(s) {
				acts = append(acts, a)
				last = max(last, a.At)
			}
		}
		at = last + around(r, 2*time.Second)
	}
	return acts
}
