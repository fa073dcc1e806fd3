package sim

import (
	"math/rand/v2"
	"time"
)

// A pattern is a row of acts that belong together, at times that are drawn: the traces of the protocol
// review that take more luck than random days have.
type pattern struct {
	hosts int                                                        // that it takes; 0: three, or four of which the first has no vote
	acts  func(r *rand.Rand, lease time.Duration, a, b, c int) []Act // three of them play a, b and c
}

// around draws a time near one.
func around(r *rand.Rand, d time.Duration) time.Duration {
	return d/2 + time.Duration(r.Int64N(int64(d)))
}

// patterns begin at time zero.
var patterns = []pattern{
	// F1: a holds by itself and b, c hears only b. A release of a's is on its way to b when b restarts: because a had
	// lost its lease; or because b's first answer came late, and a asked again.
	{acts: func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		if r.IntN(2) == 0 {
			return []Act{
				{Kind: CutPair, A: a, B: c, For: 8 * lease},
				{At: time.Millisecond, Kind: HoldPackets, A: a, B: releasePacket.to(b), For: 5 * lease},
				{At: time.Millisecond, Kind: TrapHold, A: a, B: int(whenClaiming), For: 20*time.Millisecond + around(r, lease/8)},
				{At: around(r, lease/2), Kind: Drain, A: b, For: around(r, 3*lease)},
				{At: around(r, 2*lease), Kind: RestartAgent, A: b},
				{At: around(r, 4*lease), Kind: RestartAgent, A: b},
			}
		}
		return []Act{
			{Kind: CutPair, A: a, B: c, For: 8 * lease},
			{At: around(r, lease), Kind: HoldPackets, A: a, B: releasePacket.to(b), For: 5 * lease},
			{At: around(r, 2*lease), Kind: StallAgent, A: a, For: around(r, lease)},
			{At: around(r, 3*lease), Kind: RestartAgent, A: b},
			{At: around(r, 4*lease), Kind: RestartAgent, A: b},
		}
	}},
	// F2: a claims, and b's answer comes after a has given up, when c has won.
	{acts: func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: CutPair, A: a, B: c, For: 8 * lease},
			{At: lease, Kind: TrapHold, A: a, B: int(whenClaiming), For: around(r, lease/2)},
			{At: lease + around(r, lease/4), Kind: Drain, A: b, For: around(r, 3*lease)},
			{At: lease + around(r, lease/4), Kind: ExitMemcached, A: c, B: r.IntN(2), For: around(r, lease/2)},
		}
	}},
	// F8: b's memcached is dead and c drained, so a serves, in the second term. b and c forget that. c does not hear a,
	// serves by b and itself, in what it takes for the first term, and is drained: b believes a, and a would go on.
	{hosts: 3, acts: func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		v, leaves := r.IntN(2), 2*lease+6*time.Second+around(r, 2*time.Second)
		return []Act{
			{Kind: ExitMemcached, A: b, B: v, For: leaves + 2*lease},
			{At: time.Millisecond, Kind: Drain, A: c, For: 2 * lease},
			{At: lease, Kind: CutPair, A: a, B: c, For: leaves + lease},
			{At: 2 * lease, Kind: LoseMany, B: 1<<b | 1<<c},
			{At: leaves, Kind: Drain, A: c, For: 2 * lease},
		}
	}},
	// F9: a is killed at the worst instant while it takes a VIP, others serve it, a comes back.
	{acts: func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: TrapKill, A: a, B: r.IntN(int(moments)), For: 2*lease + around(r, lease)},
			{At: time.Millisecond, Kind: Drain, A: b, B: 0, For: around(r, 4*time.Second)},
			{At: 2 * time.Millisecond, Kind: Drain, A: c, B: 0, For: around(r, lease)},
			{At: 5 * time.Second, Kind: Drain, A: c, B: 0, For: around(r, 3*time.Second)},
		}
	}},
	// F11: a worker of a's memcached stands still with writes that it has received, while a gives its VIPs away,
	// flushes and gets them back.
	{acts: func(r *rand.Rand, lease time.Duration, a, b, _ int) []Act {
		return []Act{
			{Kind: StickWorker, A: a, B: b, For: 4*time.Second + around(r, 4*time.Second)},
			{At: around(r, 400*time.Millisecond), Kind: Drain, A: a, For: around(r, 2*time.Second)},
		}
	}},
	// F11: likewise, but nobody else can serve: a would go on where it left off, without a flush, before its worker does.
	// Only every other of the VIP's tenures is that worker's, hence twice. Last the others are back and have their turn.
	{hosts: 3, acts: func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		v := r.IntN(2)
		return []Act{
			{Kind: ExitMemcached, A: b, B: v, For: 6 * time.Second},
			{Kind: ExitMemcached, A: c, B: v, For: 6 * time.Second},
			{At: 500 * time.Millisecond, Kind: StickWorker, A: a, B: v, For: 4*time.Second + around(r, time.Second)},
			{At: 500*time.Millisecond + around(r, time.Second), Kind: Drain, A: a, For: around(r, lease)},
			{At: 2500*time.Millisecond + around(r, time.Second), Kind: Drain, A: a, For: around(r, lease)},
			{At: 7 * time.Second, Kind: Drain, A: a, For: around(r, lease)},
		}
	}},
	// F12: an agent is frozen between reading its clock and writing the fence.
	{acts: func(r *rand.Rand, lease time.Duration, a, b, _ int) []Act {
		return []Act{
			{Kind: TrapFreeze, A: a, B: int(whenProlonging), For: lease + around(r, lease)},
			{At: around(r, 4*lease), Kind: TrapFreeze, A: b, B: int(whenProlonging), For: lease + around(r, lease)},
		}
	}},
	// F13, and changes of the list with stragglers.
	{acts: func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		return []Act{
			{Kind: [...]Kind{ReplaceVoter, ChangeVoters}[r.IntN(2)], A: a, B: c},
			{At: 6*time.Second + around(r, 3*time.Second), Kind: Split, A: a, B: r.IntN(8), For: 3 * lease},
			{At: 9*time.Second + around(r, 3*time.Second), Kind: Isolate, A: b, For: 3 * lease},
		}
	}},
	// A host that is no member takes the address of a VIP while nobody can serve it.
	{acts: func(r *rand.Rand, lease time.Duration, a, b, c int) []Act {
		v := r.IntN(2)
		acts := []Act{{At: around(r, lease), Kind: ForeignHost, B: v, For: 6*lease + around(r, 6*time.Second)}}
		for _, h := range []int{a, b, c} {
			acts = append(acts, Act{At: around(r, lease), Kind: ExitMemcached, A: h, B: v, For: 4*lease + around(r, 2*lease)})
		}
		return acts
	}},
	// F6: a second host has the name of the first, which serves and has no vote. The voter that does not hear the first
	// names it as the one to take the VIP, and the second takes that for itself.
	{hosts: 4, acts: func(r *rand.Rand, _ time.Duration, _, _, _ int) []Act {
		return []Act{
			{At: 5 * time.Second, Kind: CloneHost, A: 0, For: 8 * time.Second},
			{At: 7*time.Second + around(r, time.Second), Kind: CutPair, A: 0, B: 1 + r.IntN(3), For: 4 * time.Second},
		}
	}},
}

// drawPatterns repeats one pattern over a day of a small cluster, with the hosts' parts drawn anew each time.
func drawPatterns(r *rand.Rand, s Shape, from, to time.Duration) (Shape, []Act) {
	s = s.small(r)
	p := patterns[r.IntN(len(patterns))]
	if p.hosts > 0 {
		s.Nodes = p.hosts
	}
	var acts []Act
	for at := from; at < to; {
		part := r.Perm(s.hosts())
		last := at
		for _, a := range p.acts(r, s.Lease, part[0], part[1], part[2]) {
			a.At += at
			if a.At < to && a.Kind.allowed(s) {
				acts = append(acts, a)
				last = max(last, a.At)
			}
		}
		at = last + around(r, 2*time.Second)
	}
	return s, acts
}
